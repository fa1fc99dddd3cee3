"""What a release says of the steps about single contents: what was replaced, which benchmarks and signatures were looked for.

Reads the decisions of those steps and what they looked for; the card, the summary and the Croissant file say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.counting import counted
from stack_data.fold import Fold
from stack_data.pipeline import Run
from stack_data.reasons import Reason
from stack_data.redacted import Replaced, replaced_in

_KINDS = {
    "email": ("e-mail address", "e-mail addresses"), "ip_address": ("IP address", "IP addresses"), "key": ("key", "keys"),
    "password": ("password", "passwords"), "phone": ("phone number", "phone numbers"), "name": ("name", "names"),
    "username": ("user name", "user names"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measures:
    """replaced: by kind; num_unchecked: solutions too short to look for; scanner: version, "" when nothing was scanned."""

    config: BuildConfig
    replaced: tuple[Replaced, ...]
    num_benchmark_files: int
    num_unchecked: int
    scanner: str
    num_malware_files: int

    def sentences(self) -> tuple[str, str, str]:
        """Say what was done about personal data and secrets, about benchmarks, and about malware."""
        return self._redaction(), self._benchmarks(), self._malware()

    def taken(self) -> tuple[str, ...]:
        """Say what was done, and nothing of what was not."""
        done = (self.config.pii.enabled, self.config.decontamination.enabled, bool(self.scanner))
        return tuple(sentence for sentence, is_done in zip(self.sentences(), done, strict=True) if is_done)

    def _redaction(self) -> str:
        pii = self.config.pii
        if not pii.enabled:
            return "Personal data and secrets are not redacted in this version."
        sought = [_KINDS[kind][1] for kind in pii.kinds] + (["names and user names (by a model)"] if pii.ner else [])
        told = "; ".join(
            f"{counted(one.num_spans, *_KINDS.get(one.kind, (one.kind, one.kind)))} in {counted(one.num_files, 'file')}"
            for one in self.replaced
        )
        names = "" if pii.ner else " Names of people are not looked for."
        return (
            f"Looked for and replaced: {_listed(sought)}. Replaced here: {told or 'none'} (`num_redactions` counts them per file). "
            f"Copyright lines stay as they are, because the licences ask for it.{names}"
        )

    def _benchmarks(self) -> str:
        wanted = self.config.decontamination
        names = [*wanted.benchmarks, *(PurePath(one).name for one in wanted.files)] if wanted.enabled else []
        if not names:
            return "No benchmark was looked for."
        return (
            f"Tasks and solutions of {_listed(names)} were looked for, verbatim, reformatted and with other names: "
            f"{counted(self.num_benchmark_files, 'file')} left out. Too short to be told from other code, and not looked for: "
            f"{counted(self.num_unchecked, 'solution')}."
        )

    def _malware(self) -> str:
        if not self.scanner:
            return "Nothing was scanned for malware."
        left_out = counted(self.num_malware_files, "file")
        return f"Every file was scanned by {self.scanner}; {left_out} left out for a known signature."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), *names[-1:]]) if len(names) > 1 else "".join(names)


def measures_of(run: Run, fold: Fold) -> Measures:
    """Collect what the steps about single contents did."""
    files = {one.reason: one.num_files for one in fold.attrition}
    told, scanner = (
        storage.read_json(path) if path.exists() else {}
        for path in (
            run.build.stage_manifest("decontamination").with_name("benchmarks.json"),
            run.build.stage_manifest("malware").with_name("scanner.json"),
        )
    )
    return Measures(
        run.config, replaced_in(run.build, fold.kept), files.get(Reason.BENCHMARK_FOUND.value, 0),
        len(told.get("unchecked", ())), scanner.get("version", "") if run.config.malware.clamd else "",
        files.get(Reason.MALWARE.value, 0),
    )  # fmt: skip
