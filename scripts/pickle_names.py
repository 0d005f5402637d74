"""Prints the names that pickles of scikit-learn, LightGBM and XGBoost models may hold, as the libraries of this Python have them."""

import importlib
import inspect
import pkgutil
import sys

#: Classes of these modules occur in models beside estimators.
HELPERS = (
    "sklearn._loss", "sklearn.calibration", "sklearn.compose._column_transformer", "sklearn.ensemble._gb_losses",
    "sklearn.ensemble._hist_gradient_boosting", "sklearn.gaussian_process", "sklearn.impute", "sklearn.linear_model",
    "sklearn.metrics._dist_metrics", "sklearn.metrics._scorer", "sklearn.model_selection._split", "sklearn.neighbors",
    "sklearn.neural_network._stochastic_optimizers", "sklearn.tree._tree", "sklearn.utils._bunch",
    "sklearn.utils._metadata_requests", "sklearn.cluster._bisect_k_means", "sklearn.cluster._birch",
)
#: Functions of these modules occur in models as parameters.
PARAMETERS = (
    "sklearn.feature_selection._univariate_selection", "sklearn.feature_selection._mutual_info",
    "sklearn.metrics._classification", "sklearn.metrics._regression", "sklearn.metrics._ranking",
    "sklearn.metrics.pairwise", "sklearn.metrics.cluster",
)
LEFT_OUT = ("tests", "_testing", "externals", "datasets", "conftest", "setup", "_estimator_html_repr", "_build_utils", "_repr_html", "frozen_tests", "estimator_checks", "_plotting", "_plot", "inspection", "_mocking", "_test_common", "_cython_blas")


def within(name, modules):
    return any(name == module or name.startswith(module + ".") for module in modules)


def names():
    from sklearn.base import BaseEstimator
    import sklearn
    for found in pkgutil.walk_packages(sklearn.__path__, "sklearn."):
        if any(part in LEFT_OUT for part in found.name.split(".")):
            continue
        try:
            module = importlib.import_module(found.name)
        except Exception:
            continue
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) not in (found.name, found.name.split(".")[-1]) or getattr(value, "__name__", None) != name:
                continue
            if inspect.isclass(value):
                if issubclass(value, (BaseException, Warning)) or name.endswith(("Mixin", "Display")):
                    continue
                if issubclass(value, BaseEstimator) or within(found.name, HELPERS):
                    yield value.__module__, name
                    continue
            elif name in ("newObj",) or name.startswith("__pyx_unpickle_"):
                if within(found.name, HELPERS):
                    yield value.__module__, name
            elif within(found.name, PARAMETERS) and inspect.isroutine(value) and not name.startswith("_"):
                yield value.__module__, name


for module, name in sorted(set(names())):
    print(f"{module}:{name}")
