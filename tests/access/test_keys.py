import json

import pytest

from app.access.keys import KeyStore
from app.errors import RequestInvalidError, SetupError


def test_only_hashes_are_kept_and_nobody_else_may_read_them(tmp_path):
    store = KeyStore(tmp_path)
    token = store.create("lab", "default", ("read",))
    path = tmp_path / "keys.json"
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    found = KeyStore(tmp_path).find(token)
    assert found is not None
    assert (found.name, found.tenant, found.scopes) == ("lab", "default", ("read",))
    assert store.find(token + "x") is None


def test_names_are_unique_and_revoking_all_does_not_open_the_door(tmp_path):
    store = KeyStore(tmp_path)
    assert not store.in_use()
    store.create("lab", "default", ("read",))
    with pytest.raises(RequestInvalidError):
        store.create("lab", "default", ("read",))
    store.revoke("lab")
    assert store.all() == ()
    assert store.in_use()
    with pytest.raises(RequestInvalidError):
        store.revoke("lab")


def test_a_scope_that_this_version_does_not_know_is_no_key(tmp_path):
    store = KeyStore(tmp_path)
    store.create("lab", "default", ("submit",))
    path = tmp_path / "keys.json"
    path.write_text(path.read_text().replace('"submit"', '"analyze"'))
    with pytest.raises(SetupError):
        KeyStore(tmp_path).all()


@pytest.mark.parametrize("text", ["", "{", "[[]]", '[{"name": "x"}]', json.dumps([{"scopes": ["read"]}])])
def test_a_damaged_file_is_never_no_keys(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(SetupError):
        KeyStore(tmp_path).all()
