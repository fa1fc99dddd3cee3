"""Every reason for which a file, a place or a whole unit can be left out or changed.

One enum, so that the ledger, `why`, the report and the documentation speak of the same things. The meaning
is one line for people; `docs/reasons.md` is generated from it and a test keeps a smallest example for each.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a decision was taken. `value` is the name in data; `stage` decides it; `meaning` explains it."""

    stage: str
    meaning: str

    def __new__(cls, value: str, stage: str, meaning: str) -> Reason:
        member = object.__new__(cls)
        member._value_ = value
        member.stage = stage
        member.meaning = meaning
        return member

    # What an entry of a source is, before anybody looks at its text.
    BINARY = ("binary", "fetch", "The content holds a NUL byte, so it is not text.")
    UNDECODABLE = ("undecodable", "fetch", "No text encoding decodes the content without errors.")
    EMPTY = ("empty", "fetch", "The content has no characters other than white space.")
    LFS_POINTER = (
        "lfs_pointer",
        "fetch",
        "The content is a Git LFS pointer; the file itself is stored elsewhere.",
    )
    SYMLINK = ("symlink", "fetch", "The entry is a symbolic or hard link; only the file it points to counts.")
    SUBMODULE = ("submodule", "fetch", "The entry is a Git submodule; its repository is a source of its own.")
    SPECIAL_FILE = ("special_file", "fetch", "The entry is a device, socket, pipe or the like.")
    TOO_LARGE = ("too_large", "fetch", "The content is larger than limits.max_file_bytes.")
    UNREADABLE = (
        "unreadable",
        "fetch",
        "The entry could not be read: permissions, or it changed while it was read.",
    )
    OVER_CAP = (
        "over_cap",
        "fetch",
        "The source reached limits.max_files or limits.max_unit_bytes before this entry.",
    )
    NOT_SAMPLED = ("not_sampled", "fetch", "A dry run read a sample, and this entry is not in it.")
    PATH_TRAVERSAL = (
        "path_traversal",
        "fetch",
        "An archive member's path is absolute or leaves the archive's tree.",
    )
    ARCHIVE_BOMB = ("archive_bomb", "fetch", "An archive member expands beyond limits.max_compression_ratio.")
    REPEATED_PATH = (
        "repeated_path",
        "fetch",
        "An earlier member of the archive has the same path; the first one counts.",
    )
    ENCRYPTED = ("encrypted", "fetch", "An archive member is encrypted.")
    CONTENT_MISSING = (
        "content_missing",
        "fetch",
        "The source names the content but does not have it, or has it damaged.",
    )

    COMMIT_FILE_GONE = (
        "commit_file_gone",
        "commits",
        "The commit's file is no file of the repository any more at the locked revision; what was removed stays out.",
    )
    COMMIT_SAME_FILE = (
        "commit_same_file",
        "commits",
        "A newer commit of the same file was taken already: as many as commits_per_file allows.",
    )
    COMMIT_OTHER_LICENSE = (
        "commit_other_license",
        "commits",
        "The commit's licence files, declared licence or headers were others than they are at the locked revision.",
    )
    COMMIT_NO_TEXT = (
        "commit_no_text",
        "commits",
        "One side of the commit is empty, binary, a notebook or not UTF-8, or the change does not change the text.",
    )
    COMMIT_TOO_LONG = (
        "commit_too_long",
        "commits",
        "One side of the commit, or its message, has more than 100,000 characters.",
    )
    COMMIT_NO_MESSAGE = ("commit_no_message", "commits", "The commit's message is empty or not UTF-8.")
    COMMIT_AUTOMATIC_MESSAGE = (
        "commit_automatic_message",
        "commits",
        "The commit's message is one that programs or habits write: a stop word, a version, a hash (docs/notebooks-and-commits.md).",
    )
    COMMIT_NOT_DRAWN = (
        "commit_not_drawn",
        "commits",
        "Small, very long and data-file changes are sampled, and the draw by content left this commit out.",
    )

    EXACT_DUPLICATE = (
        "exact_duplicate",
        "exact",
        "The same bytes are kept from an earlier source; all places are recorded.",
    )

    NO_LICENSE = ("no_license", "license", "No licence covers this place. No licence means out.")
    LICENSE_UNKNOWN = (
        "license_unknown",
        "license",
        "A licence text or statement covers this place, but it is none that is known, or an altered one.",
    )
    LICENSE_NOT_PERMISSIVE = (
        "license_not_permissive",
        "license",
        "The licence of this place is known and not on the allowed list.",
    )
    LICENSE_CONFLICT = (
        "license_conflict",
        "license",
        "Permissive and other evidence both cover this place and nothing reconciles them.",
    )
    LICENSE_DENIED = (
        "license_denied",
        "license",
        "A person put it out, whatever was found: a curation denies its content, path, repository or licence text.",
    )
    LICENSE_CONTESTED = (
        "license_contested",
        "license",
        "Somebody proved that the content is theirs under another licence; every place of it is out.",
    )
    LICENSE_ELSEWHERE = (
        "license_elsewhere",
        "license",
        'The same content also occurs under a licence that is not permissive (license.places = "all").',
    )

    UNKNOWN_LANGUAGE = ("unknown_language", "language", "The file is in no language that Linguist knows.")
    LANGUAGE_NOT_SELECTED = (
        "language_not_selected",
        "language",
        "The language is not among those the configuration selects.",
    )

    NOTEBOOK_UNREADABLE = ("notebook_unreadable", "filter", "The notebook is damaged, or no cell of it holds anything.")
    GENERATED = ("generated", "filter", "A program wrote it, as its name or the mark of a tool says.")
    GENERATED_PHRASE = ("generated_phrase", "filter", "Words in its first five lines say that it was generated.")
    TOO_MANY_LINES = ("too_many_lines", "filter", "It has more lines than filter.max_lines.")
    LONG_LINES = ("long_lines", "filter", "Its lines are longer on average than filter.max_average_line_chars.")
    LONG_LINE = ("long_line", "filter", "One of its lines is longer than filter.max_line_chars.")
    FEW_LETTERS = ("few_letters", "filter", "Letters are a smaller share of it than filter.min_letters.")
    FEW_ALPHANUMERICS = (
        "few_alphanumerics",
        "filter",
        "Letters and digits are a smaller share of it than filter.min_alphanumerics.",
    )
    ENCODED_DATA = (
        "encoded_data",
        "filter",
        "A run of encoded data is longer than filter.max_encoded_chars, or all of them are more of it than "
        "filter.max_encoded_share.",
    )
    TOO_SHORT = ("too_short", "filter", "It has fewer characters than filter.min_chars.")
    TOO_LONG = ("too_long", "filter", "It has more characters than filter.max_chars.")
    LITTLE_VISIBLE_TEXT = (
        "little_visible_text",
        "filter",
        "A reader of the HTML sees less than filter.min_visible_chars, or less of it than filter.min_visible_share.",
    )
    XML_DECLARATION = ("xml_declaration", "filter", "It begins as an XML document (filter.xml_declarations).")
    FILE_NAME = (
        "file_name",
        "filter",
        "Files of this language are kept by name only (filter.name_contains, filter.stems), and this is none.",
    )
    SECRET_IN_PATH = (
        "secret_in_path",
        "filter",
        "Its path holds a key, a password or an e-mail address, and a release shows paths as they are.",
    )
    LANGUAGE_OVER_BUDGET = (
        "language_over_budget",
        "filter",
        "Its language is over filter.max_language_bytes, and the draw by content left it out.",
    )

    NEAR_DUPLICATE = (
        "near_duplicate",
        "near",
        "Most of its shingles (near.threshold of both together) are those of a better-ranked file that is kept.",
    )

    BENCHMARK_FOUND = (
        "benchmark_found",
        "decontamination",
        "It holds a task or a solution of a benchmark that models are measured with (docs/decontamination.md).",
    )
    MALWARE = ("malware", "malware", "The virus scanner found a known signature in its bytes (docs/malware.md).")

    SECRET = (
        "secret",
        "pii",
        "Keys, tokens or passwords in it are replaced; so are personal data, where there are any (docs/redaction.md).",
    )
    PERSONAL_DATA = (
        "personal_data",
        "pii",
        "E-mail addresses, IP addresses or other personal data in it are replaced.",
    )

    OPTED_OUT = ("opted_out", "optout", "Somebody whose code it is has opted out (docs/opt-out.md); nothing says who.")
    RESERVED_IN_REPOSITORY = (
        "reserved_in_repository",
        "optout",
        "Its repository says that it must not be trained on (docs/signals.md).",
    )
    SOURCE_GONE = ("source_gone", "optout", "Its repository or package is gone or was made private since it was read.")
    PURGED = (
        "purged",
        "optout",
        "Its bytes were erased after an opt-out; to have it again, fetch it again (--anew fetch).",
    )


READING = ("fetch", "commits")
"""The stages that look at entries of sources before anything is read as text."""

REDACTING: tuple[Reason, ...] = tuple(reason for reason in Reason if reason.stage == "pii")
"""Why parts of a text are replaced; the file itself stays."""

LEAVING: tuple[Reason, ...] = tuple(reason for reason in Reason if reason.stage == "optout")
"""Why a place leaves that would be kept, in order of weight; public outputs count these and name no place or content."""

BY_VALUE: dict[str, Reason] = {reason.value: reason for reason in Reason}
