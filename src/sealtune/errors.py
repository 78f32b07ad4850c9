"""Every error this program raises on purpose, as one tree.

The exit code and "what to do now" live on the class; the message carries the facts. ``cli`` turns
any of them into three lines and an exit code, so nothing here is ever shown as a traceback.

::

    SealtuneError                 1
    ├── InputError               10   what was asked for cannot be done; nothing was touched
    │   ├── UnclearWorkloadError 11   the description could be read in several ways, or in none
    │   ├── ConfigError          12   a config names a field or value that is not allowed
    │   ├── KnobError            13   unknown, forbidden or out-of-range kernel parameter
    │   └── TooLittleTimeError   14   the budget has no room for an honest verdict
    ├── GuardError               20   the process that writes the kernel could not do its job
    │   ├── NotRootError         21   writing the kernel needs root
    │   ├── BusyError            22   another sealtune is tuning this machine
    │   ├── RestoreError         23   the machine is not as we found it
    │   ├── JournalError         24   the old values could not be made durable: nothing was written
    │   └── WriteRefusedError    25   the kernel refused a value, or made another of it
    ├── MeasurementError         30   no trustworthy number
    │   ├── BenchmarkMissingError 31  the tool is not installed
    │   ├── BenchmarkFailedError 32   it ran, and gave no usable result
    │   ├── TooManyFailuresError 33   more than three failures in a row
    │   ├── MachineBusyError     34   something else is using this machine
    │   └── DiskSpaceError       35   too little free space to measure safely
    └── KeepingError             40   a result could not be stored or applied
        ├── SessionNotFoundError 41
        ├── NothingConfirmedError 42  only a confirmed gain may be applied
        └── ApplyError           43   a configuration file could not be written

Outcomes that are no errors have exit codes too: 0 improved or none, 3 worse, 4 unsafe,
130 interrupted. 2 is a mistake on the command line.
"""

from typing import ClassVar


class SealtuneError(Exception):
    """Base class: catch it to catch everything raised on purpose.

    Attributes:
        exit_code: What the process ends with.
        fix: What the person can do now, one or two sentences.
    """

    exit_code: ClassVar[int] = 1
    fix: str = "Please report this, with everything printed above."

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        if fix is not None:
            self.fix = fix


class InputError(SealtuneError):
    """What was asked for cannot be done; nothing was touched."""

    exit_code = 10
    fix = "Correct the input and run again."


class UnclearWorkloadError(InputError):
    """The description can be read in several ways, or is no workload at all."""

    exit_code = 11
    fix = "Say what the machine serves, for example: a write-heavy PostgreSQL database."


class ConfigError(InputError):
    """A config names a field or a value that is not allowed."""

    exit_code = 12
    fix = 'Correct the named field; `sealtune plan "..." -o FILE` writes a valid example.'


class KnobError(InputError):
    """An unknown, forbidden or out-of-range kernel parameter."""

    exit_code = 13
    fix = "`sealtune knobs` lists every parameter that may be tuned, with its safe range."


class TooLittleTimeError(InputError):
    """The budget has no room for an honest verdict."""

    exit_code = 14
    fix = "Give it the minutes named above."


class GuardError(SealtuneError):
    """The process that writes the kernel could not do its job."""

    exit_code = 20
    fix = "Run `sealtune restore` as root, then `sealtune doctor`."


class NotRootError(GuardError):
    """Writing kernel parameters needs root."""

    exit_code = 21
    fix = "Run it with sudo. `sealtune plan` and `--dry-run` need no root."


class BusyError(GuardError):
    """Another sealtune is tuning this machine."""

    exit_code = 22
    fix = "Wait until it has finished, or end it with Ctrl-C; it restores the machine by itself."


class RestoreError(GuardError):
    """A parameter does not read back as it did before the run."""

    exit_code = 23
    fix = "Run `sealtune restore` as root. Start no other run before it succeeds."


class JournalError(GuardError):
    """The old values could not be made durable, so nothing was written to the kernel."""

    exit_code = 24
    fix = "Free space under /var/lib/sealtune, or repair what is named above."


class WriteRefusedError(GuardError):
    """The kernel refused a value; the values before it in the batch were put back."""

    exit_code = 25
    fix = "Leave the parameter out with --exclude."


class MeasurementError(SealtuneError):
    """No trustworthy number could be had."""

    exit_code = 30
    fix = "Run `sealtune doctor`."


class BenchmarkMissingError(MeasurementError):
    """The benchmark's tool is not installed."""

    exit_code = 31
    fix = "Install it with the line above, or choose another with --benchmark."


class BenchmarkFailedError(MeasurementError):
    """The benchmark ran and gave no usable result."""

    exit_code = 32
    fix = "Run the command above by hand and see what it prints."


class TooManyFailuresError(MeasurementError):
    """More than three trials failed in a row."""

    exit_code = 33
    fix = "See the last failure above; `sealtune report` shows what was learnt until then."


class MachineBusyError(MeasurementError):
    """Something else is using this machine."""

    exit_code = 34
    fix = "Wait until the machine is quiet, or pass --yes to measure all the same."


class DiskSpaceError(MeasurementError):
    """Too little free disk space to measure safely."""

    exit_code = 35
    fix = "Free the space named above, or choose another place with --workdir."


class KeepingError(SealtuneError):
    """A result could not be stored or applied."""

    exit_code = 40
    fix = "Check the disk named above."


class SessionNotFoundError(KeepingError):
    """No such session is stored."""

    exit_code = 41
    fix = "`sealtune sessions` lists what is stored."


class NothingConfirmedError(KeepingError):
    """Only a confirmed gain may be applied."""

    exit_code = 42
    fix = "Run `sealtune optimize` with more minutes; nothing was changed."


class ApplyError(KeepingError):
    """A configuration file could not be written; what had been written was removed again."""

    exit_code = 43
    fix = "Make the directory named above writable (is /etc mounted read-only?) and apply again."
