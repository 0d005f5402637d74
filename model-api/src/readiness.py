"""Whether questions should be sent here: other than health, which asks whether the process should go on living."""

from __future__ import annotations

from model import Model


class Readiness:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._is_proven = False
        self._is_withdrawn = False

    def problem(self) -> str | None:
        """Why no question should be sent here; None where one may be. The first call asks the model one itself."""
        if self._is_withdrawn:
            return "The API is stopping."
        if not self._is_proven:
            try:
                self._model.predict([first_value(categories) for categories in self._model.lookup.values()])
            except Exception as error:  # whatever a model does
                return f"The model cannot answer: {type(error).__name__}: {error}"
            self._is_proven = True
        return None

    def withdraw(self) -> None:
        self._is_withdrawn = True


def first_value(categories: dict[str, int] | None) -> float:
    return 0.0 if categories is None else float(next(iter(categories.values())))
