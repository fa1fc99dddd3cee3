"""Names, clone URLs and addresses of pages are read as the owner, repository or package that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.errors import InputError
from stack_data.search.clone_urls import Asked, asked_of

FLASK = Asked("github.com", "pallets", "flask")


@pytest.mark.parametrize(
    "text",
    [
        "github.com/pallets/flask", "https://github.com/pallets/flask", "https://github.com/pallets/flask.git",
        "https://github.com/pallets/flask/", "http://www.github.com/pallets/flask//", "git://github.com/pallets/flask.git",
        "git+https://github.com/pallets/flask.git", "ssh://git@github.com/pallets/flask.git", "git@github.com:pallets/flask.git",
        "git@github.com:pallets/flask", "ssh://git@ssh.github.com:443/pallets/flask.git", "https://name:secret@github.com/pallets/flask",
        "https://github.com:443/pallets/flask.git/info/refs?service=git-upload-pack", "github:pallets/flask", "gh:pallets/flask",
        "https://github.com/pallets/flask/issues/1", "https://github.com/pallets/flask#readme", "pkg:github/pallets/flask@3.0",
        "https://api.github.com/repos/pallets/flask/contents", "https://codeload.github.com/pallets/flask/zip/main",
        "<https://github.com/pallets/flask>", "https://github.com/pallets/flask/tree/main", "www.github.com/pallets/flask",
    ],
)  # fmt: skip
def test_every_spelling_of_a_repository_is_the_same(text: str) -> None:
    assert asked_of(text) == FLASK


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/pallets/flask/blob/main/src/app.py", "https://github.com/pallets/flask/blob/main/src/app.py#L10-L20",
        "https://raw.githubusercontent.com/pallets/flask/main/src/app.py", "https://github.com/pallets/flask/raw/main/src/app.py?raw=1",
        "https://raw.githubusercontent.com/pallets/flask/refs/heads/main/src/app.py", "pkg:github/pallets/flask@3.0#src/app.py",
        "https://github.com/pallets/flask/blame/0123456789abcdef0123456789abcdef01234567/src/app.py",
    ],
)  # fmt: skip
def test_the_address_of_a_file_names_its_path(text: str) -> None:
    assert asked_of(text) == Asked("github.com", "pallets", "flask", "src/app.py")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://gitlab.com/group/sub/lib/-/blob/main/a/b.c", Asked("gitlab.com", "group/sub", "lib", "a/b.c")),
        ("https://gitlab.com/group/sub/lib.git", Asked("gitlab.com", "group/sub", "lib")),
        ("git@gitlab.com:group/sub/lib.git", Asked("gitlab.com", "group/sub", "lib")),
        ("https://gitlab.com/group/lib/blob/main/b.c", Asked("gitlab.com", "group", "lib", "b.c")),
        ("https://codeberg.org/o/r/src/branch/main/a.go", Asked("codeberg.org", "o", "r", "a.go")),
        ("https://codeberg.org/o/r/raw/commit/0abc/a.go", Asked("codeberg.org", "o", "r", "a.go")),
        ("https://bitbucket.org/o/r/src/main/a.java", Asked("bitbucket.org", "o", "r", "a.java")),
        ("https://git.sr.ht/~o/r/tree/main/a.ha", Asked("git.sr.ht", "o", "r", "a.ha")),
        ("https://gist.github.com/o/0123abcd", Asked("gist.github.com", "o", "0123abcd")),
        ("https://gist.githubusercontent.com/o/0123abcd/raw/1f/x.py", Asked("gist.github.com", "o", "0123abcd", "x.py")),
        ("ssh://git@git.example.org:2222/team/tool.git", Asked("git.example.org", "team", "tool")),
        ("git.example.org/team/tool", Asked("git.example.org", "team", "tool")),
        ("git@git.example.org:2222/team/tool.git", Asked("git.example.org", "team", "tool")),
    ],
)  # fmt: skip
def test_other_forges_are_read_as_theirs(text: str, found: Asked) -> None:
    assert asked_of(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pypi/-/typing_extensions", Asked("pypi", "-", "typing-extensions")),
        ("pypi/Typing.Extensions", Asked("pypi", "-", "typing-extensions")),
        ("pkg:pypi/typing_extensions@4.0", Asked("pypi", "-", "typing-extensions")),
        ("https://pypi.org/project/typing_extensions/4.0/", Asked("pypi", "-", "typing-extensions")),
        ("https://pypi.org/simple/typing_extensions/", Asked("pypi", "-", "typing-extensions")),
        ("npm/babel/core", Asked("npm", "babel", "core")),
        ("@babel/core", Asked("npm", "babel", "core")),
        ("npm/@babel", Asked("npm", "babel")),
        ("npm/lodash", Asked("npm", "-", "lodash")),
        ("npm/-/lodash", Asked("npm", "-", "lodash")),
        ("pkg:npm/%40babel/core@7.0.0", Asked("npm", "babel", "core")),
        ("pkg:npm/lodash@4", Asked("npm", "-", "lodash")),
        ("https://www.npmjs.com/package/@babel/core/v/7.0.0", Asked("npm", "babel", "core")),
        ("https://registry.npmjs.org/lodash", Asked("npm", "-", "lodash")),
    ],
)  # fmt: skip
def test_packages_are_read_in_every_spelling(text: str, found: Asked) -> None:
    assert asked_of(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pallets", Asked("", "pallets")),
        ("@pallets", Asked("", "pallets")),
        ("pallets/flask", Asked("", "pallets", "flask")),
        ("mrdoob/three.js", Asked("", "mrdoob", "three.js")),
        ("github.com/pallets", Asked("github.com", "pallets")),
        ("https://github.com/pallets", Asked("github.com", "pallets")),
        ("https://github.com/orgs/pallets/repositories", Asked("github.com", "pallets")),
    ],
)  # fmt: skip
def test_names_without_a_repository_are_owners(text: str, found: Asked) -> None:
    assert asked_of(text) == found


def test_hosts_of_the_index_are_hosts_whatever_they_are_called() -> None:
    assert asked_of("local/-/tool", ["local"]) == Asked("local", "-", "tool")
    assert asked_of("Archive/-/x.zip", ["archive"]) == Asked("archive", "-", "x.zip")
    with pytest.raises(InputError, match="names no owner"):
        asked_of("local/-/tool")


@pytest.mark.parametrize(
    "text", ["", " ", "https://github.com/", "ftp://github.com/o/r", "o r", "pkg:pypi", "pkg:cargo/serde", "owner/*", "../..",
             "https://[::1", "git@:x", "a\x1b[2Jb", "x" * 3000]
)  # fmt: skip
def test_what_names_nothing_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        asked_of(text)
    assert str(refused.value).isprintable()


def test_credentials_are_never_shown() -> None:
    with pytest.raises(InputError) as refused:
        asked_of("https://name:hunter2@github.com/")
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = asked_of(text)
    except InputError:
        return
    assert found.owner
    assert found.name.isprintable()


_NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)


@given(_NAME, _NAME)
def test_a_name_on_github_comes_back_from_its_clone_urls(owner: str, repo: str) -> None:
    for text in (
        f"https://github.com/{owner}/{repo}.git",
        f"git@github.com:{owner}/{repo}.git",
        f"github.com/{owner}/{repo}",
    ):
        if owner.lower() not in ("orgs", "users"):
            assert asked_of(text) == Asked("github.com", owner, repo)
