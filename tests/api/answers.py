"""What tests say of the service's answers."""

import socket


def check_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


def raw_answer(host, request):
    with socket.create_connection(host.split(":"), timeout=10) as connection, connection.makefile("rb") as answer:
        connection.sendall(request)
        return answer.read().decode()
