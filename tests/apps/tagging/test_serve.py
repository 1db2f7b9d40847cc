"""What the page and the JSON answer is what `predict` says."""

from apps.common.serving import openapi, server
from apps.tagging.serve import Answer, Request, Service
from tests.apps.tools import conforms

TEXT = "stop music in the guest room"


def test_answers_are_the_predictions(predictor):
    answer, empty = Service(predictor)([Request(TEXT), Request(" ")])
    (prediction,) = predictor([TEXT.split()])
    assert conforms(answer, openapi.schema(Answer))
    assert [word["label"] for word in answer["words"]] == prediction.tags
    assert [
        TEXT[w["start"] : w["end"]] for w in answer["words"]
    ] == TEXT.split()
    assert answer["intent"] == prediction.intent
    assert {"text": "guest room", "label": "place"} in answer["parts"]
    html = server.rendered(Service, Request(TEXT), answer)
    assert "guest room <small>place</small></mark>" in html
    assert '<mark class="hue0">' in html
    assert "style=" not in html
    assert "No word" in server.rendered(Service, Request(" "), empty)


def test_a_parse_is_a_table_of_heads():
    words = [
        {
            "word": word,
            "start": 0,
            "end": 1,
            "label": label,
            "probability": 1.0,
            "head": head,
        }
        for word, label, head in (("go", "root", 0), ("home", "obj", 1))
    ]
    answer = Answer(words=words, parts=[], intent="", intent_probability=0.0)
    html = server.rendered(Service, Request("go home"), answer)
    assert "<td>home</td><td>go</td><td>obj</td>" in html


def test_examples_are_sentences_of_the_run(trained):
    examples = Service.examples(trained.run)
    assert examples
    assert not any("[" in text for text in examples)
