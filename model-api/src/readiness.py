"""Whether questions should be sent here: other than health, which asks whether the process should go on living."""

from __future__ import annotations

from model import Model
from question import read_question


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
                if self._model.example is not None:
                    self._model.answer(read_question(self._model.example, self._model.parameters))
            except Exception as error:  # whatever a model does
                return f"The model cannot answer: {type(error).__name__}: {error}"
            self._is_proven = True
        return None

    def withdraw(self) -> None:
        self._is_withdrawn = True
