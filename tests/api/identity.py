"""An OpenID provider in a thread: discovery, keys that can be changed, and tokens of every kind, good and bad."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "xmag"


class IdentityProvider:
    """Serves ``/.well-known/openid-configuration`` and ``/keys``; ``asked`` counts the latter."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_down = False
        self.keys = {"first": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.curve = ec.generate_private_key(ec.SECP256R1())
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider._answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/keys":
            self.asked += 1
        if self.is_down:
            handler.send_error(503)
            return
        document: dict[str, object] = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        if handler.path == "/keys":
            document = {"keys": [*self.shown(), {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, {"kty": "??"}]}
        body = json.dumps(document).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def shown(self) -> list[dict[str, object]]:
        """The public keys."""
        keys = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
            for kid, key in self.keys.items()
        ]
        curve = {**ECAlgorithm.to_jwk(self.curve.public_key(), as_dict=True), "kid": "curve", "alg": "ES256"}
        return [*keys, curve]

    def claims(self, **changes: object) -> dict[str, object]:
        """Those of a good token; a change to None takes the claim away."""
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "u-1",
            "iat": moment,
            "exp": moment + 60,
            "scope": "openid xmag:submit xmag:read xmag:erase",
            "ward": {"name": "ward-3"},
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, kid: str = "first", key=None, algorithm: str = "RS256", typ: str = "JWT", **changes) -> str:
        key = key or self.keys.get(kid) or next(iter(self.keys.values()))
        return jwt.encode(self.claims(**changes), key, algorithm, headers={"kid": kid, "typ": typ})

    def unsigned(self) -> str:
        """`alg: none`, the oldest trick."""
        return jwt.encode(self.claims(), None, "none")

    def confused(self) -> str:
        """HMAC under the public key's bytes: what a verifier that takes the token's word for the algorithm accepts."""
        head, body = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
            for part in ({"alg": "HS256", "typ": "JWT", "kid": "first"}, self.claims())
        )
        public = self.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.new(public, head + b"." + body, hashlib.sha256).digest()
        return (head + b"." + body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
