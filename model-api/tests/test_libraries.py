from importlib.metadata import version

from libraries import differing_libraries


def test_names_libraries_of_other_versions_than_those_that_trained_the_model():
    numpy = version("numpy")
    trained = {"numpy": numpy, "scikit-learn": "0.1.0", "pandas": "0.1.0"}
    assert differing_libraries({"libraries": trained}) == {"scikit-learn": ("0.1.0", version("scikit-learn"))}


def test_says_nothing_where_the_model_says_nothing():
    for metadata in ({}, {"libraries": None}, {"libraries": {"numpy": 2}}):
        assert differing_libraries(metadata) == {}
