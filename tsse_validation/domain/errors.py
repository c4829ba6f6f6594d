"""What can go wrong, as sentences for the person who reads them: what happened, and what to do next.

The verdict knows two families: a `PromiseBrokenError` is evidence against the release (NO-GO); every other
`SuiteError` means that something could not be checked (INCOMPLETE).
"""


class SuiteError(Exception):
    """Base of the errors that the suite raises on purpose; `advice` is what to do next."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class SettingsError(SuiteError):
    """A setting is wrong; nothing has been contacted yet."""


class StackError(SuiteError):
    """A stack could not be started or stopped."""


class UnreachableError(SuiteError):
    """A service did not answer: refused, unresolved, TLS, dropped or hung."""


class RefusedError(UnreachableError):
    """Nothing listens at a service's port: it does not run."""


class AccessError(SuiteError):
    """The token or the database role does not allow what a step needs."""


class ElsewhereError(SuiteError):
    """An address or a path leads to something else than this controller: a mistake of who gave it, no evidence."""


class ClusterError(SuiteError):
    """A cluster, or a worker of it, cannot do what is asked of it: that says nothing of the lake."""


class DeadlineError(SuiteError):
    """A state was not reached before its deadline."""


class BusyError(DeadlineError):
    """Somebody else had what was needed for too long, as a lock: it may be free the next moment."""


class BudgetError(SuiteError):
    """The controller's POST budget does not allow the call now (contract section 3)."""


class NotAllowedError(SuiteError):
    """The suite's own guard refused a call that could harm a live controller."""


class NotCheckedError(SuiteError):
    """A check had nothing to work on, so it proves nothing; it must never count as a pass."""


class UnaffordableError(NotCheckedError):
    """A check was left out: it would take POSTs of the controller's budget that are spent, or left to others."""


class LeftToSealError(NotCheckedError):
    """A check was left out: a seal tells of the lake, and a proof by it shows all that the check would."""


class BlockedError(NotCheckedError):
    """A check could not run, because a step that it builds on has not been proven."""


class LogError(SuiteError):
    """The run log cannot be written: what is seen from then on leaves no evidence, and proves nothing."""


class PromiseBrokenError(SuiteError):
    """The controller, its database or its lake does not hold what the contract promises."""


class TriagedError(PromiseBrokenError):
    """Both sides differ, or files are wrong: triage tells of what.

    `diagnoses` names the findings that the check fails by; it is empty where the records say what differs.
    """

    def __init__(self, message: str, advice: str = "", *, diagnoses: tuple[str, ...] = ()) -> None:
        super().__init__(message, advice)
        self.diagnoses = diagnoses


class JobFailedError(PromiseBrokenError):
    """An analysis job ended `failed` or `canceled`; `code` is its `error.code`."""

    def __init__(self, message: str, advice: str = "", *, code: str = "") -> None:
        super().__init__(message, advice)
        self.code = code
