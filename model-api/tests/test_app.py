import json

import pytest
from conftest import Estimator, make_model

from app import create_app
from readiness import Readiness

QUESTION = {"color": "red", "share": 0.75}


def metric(client, line: str) -> bool:
    return line in client.get("/metrics").text.splitlines()


def test_predicts_the_most_probable_outcome(client):
    answer = client.post("/api/predict", json=QUESTION)
    assert answer.json == {"prediction": "on", "probabilities": {"off": 0.25, "on": 0.75}}


def test_is_ready_once_the_model_can_answer(client):
    answer = client.get("/api/ready")
    assert (answer.status_code, answer.json["status"], answer.json["modelDigest"]) == (200, "ready", "sha256:abc")


def test_is_not_ready_with_a_model_that_cannot_answer_but_alive():
    model = make_model(Estimator(ValueError("no such column")))
    client = create_app(model, Readiness(model)).test_client()
    answer = client.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json["error"] == "The model cannot answer: ValueError: no such column"
    assert client.get("/api/health").status_code == 200


def test_is_not_ready_while_it_stops_and_still_answers(client, readiness):
    readiness.withdraw()
    assert client.get("/api/ready").status_code == 503
    assert client.post("/api/predict", json=QUESTION).status_code == 200


def test_counts_requests_and_predictions(client):
    client.post("/api/predict", json=QUESTION)
    client.post("/api/predict", json={})
    assert metric(client, 'http_requests_total{path="/api/predict",status="200"} 1.0')
    assert metric(client, 'http_requests_total{path="/api/predict",status="400"} 1.0')
    assert metric(client, 'predictions_total{outcome="on"} 1.0')
    assert metric(client, 'model_info{digest="sha256:abc",model="lamp",version="1.2.0"} 1.0')


def test_keeps_no_label_for_addresses_that_it_does_not_have(client):
    for number in range(20):
        client.get(f"/nothing/{number}")
    assert metric(client, 'http_requests_total{path="other",status="404"} 20.0')


def test_logs_what_was_asked_as_json_and_leaves_probes_out(client, capsys):
    client.get("/api/health")
    client.post("/api/predict", json=QUESTION)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("POST", "/api/predict", 200)]


@pytest.mark.parametrize("origin, allowed", [("https://shop.example", "https://shop.example"), ("https://evil.example", None)])
def test_lets_pages_of_the_named_origins_ask(client, origin, allowed):
    answer = client.options("/api/predict", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    assert "Origin" in answer.headers["Vary"]


def test_lets_no_page_ask_unless_it_is_told_to(model):
    client = create_app(model, Readiness(model)).test_client()
    answer = client.get("/api/info", headers={"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
