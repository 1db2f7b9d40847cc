from data_pipelines.files.errors import DataError, printable


def test_a_message_is_one_line_that_can_be_printed():
    error = DataError("a.csv:3: unknown label 'a\n\x1b[31m\u2028ü😀'")
    shown = r"a.csv:3: unknown label 'a\n\x1b[31m\u2028ü😀'"
    assert str(error) == shown
    assert printable(shown) == shown


def test_a_long_message_is_its_ends():
    message = str(DataError(f"a.csv:3: {'x' * 10**6}; expected y"))
    assert len(message) < 2100
    assert message.startswith("a.csv:3: xxx")
    assert message.endswith("xxx; expected y")
