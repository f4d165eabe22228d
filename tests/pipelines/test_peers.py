"""The comparison with other frameworks counts from outside what ran, and tells what it could not compare."""

from __future__ import annotations

import fcntl
import json
import platform
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import flowkit
from benchmarks.peers.__main__ import main
from benchmarks.peers.descriptions import FLOWKIT, PEERS, WORKS, Peer, Work
from benchmarks.peers.environments import NotInstalledError, install
from benchmarks.peers.rounds import Compared, compare

SMALL = Work("small", "three steps", size=3, steps=3, answer=3.0)

KEEPS = """
import json, sys
from pathlib import Path
from counting import count

size = int(sys.argv[2])
for number in range(size):
    kept = Path(f"kept-{number}")
    if not kept.exists():
        count("step")
        kept.touch()
print(json.dumps({"answer": size}))
"""
FORGETS = KEEPS.replace("kept.touch()", "")
DOES_HALF = KEEPS.replace("range(size)", "range(1)")
IS_WRONG = KEEPS.replace('"answer": size', '"answer": size + 0.5')
BREAKS = KEEPS + "sys.exit('no more memory')"
SAYS_NOTHING = KEEPS.replace("print(", "str(")
INTERRUPT = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT)"
INTERRUPTS = f"import sys\nif sys.argv[2] != '1':\n    {INTERRUPT}; time.sleep(60)\n{KEEPS}"
ENDS_INTERRUPTING = INTERRUPT
INTERRUPTS_WITH_SERVER = f"""
import signal, subprocess, sys
import fcntl
signal.signal(signal.SIGINT, signal.SIG_IGN)
held = open({{file!r}}, "w")
fcntl.flock(held, fcntl.LOCK_EX)
server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[held.fileno()])
{INTERRUPT}; time.sleep(60)
"""


def peer_of(folder: Path, name: str, program: str, **more: Any) -> Peer:
    """Return a peer of plain Python in this interpreter."""
    path = folder / f"with_{name}.py"
    path.write_text(program)
    return Peer(name, path, f"plain Python that {name}", **more)


def compare_peers(folder: Path, programs: dict[str, str], *arguments: str) -> int:
    """Run the command on peers of these programs; the first one is the one that others are compared with."""
    peers = [peer_of(folder, name, program) for name, program in programs.items()]
    return main(arguments, peers, [SMALL], folder / "environments")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the command printed as JSON."""
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_second_run_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that executes its steps again is told with their number, one that reuses them without."""
    code = compare_peers(tmp_path, {"keeps": KEEPS, "forgets": FORGETS}, "--rounds", "1")

    header, keeps, forgets = capsys.readouterr().out.splitlines()[:3]
    assert code == 0
    assert header.split() == ["work", "peer", "cold", "s", "ratio", "reused", "s", "ratio"]
    assert re.fullmatch(r"small +keeps +[0-9.]+ +[0-9.]+", keeps)
    assert re.fullmatch(r" +forgets +[0-9.]+ +[0-9.]+x +[0-9.]+ \[3\] +[0-9.]+x", forgets)


def test_every_round_is_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each round is a cold run in an empty project and a reused one; ratios are to the first peer."""
    code = compare_peers(tmp_path, {"keeps": KEEPS, "forgets": FORGETS}, "--rounds", "2", "--json")

    printed = told(capsys)
    (work,) = printed["works"]
    keeps, forgets = work["peers"]
    assert code == 0
    assert printed["beside"] == "keeps"
    assert (keeps["peer"], keeps["cold"]["ratio"], keeps["reused"]["executed"]) == ("keeps", 1.0, 0)
    assert (forgets["peer"], forgets["reused"]["executed"]) == ("forgets", 3)
    assert [len(figures["samples"]) for one in (keeps, forgets) for figures in (one["cold"], one["reused"])] == [2] * 4
    assert (work["failed"], printed["left_out"]) == ([], [])


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (DOES_HALF, "executed 1 steps, there are 3"),
        (IS_WRONG, "came to 3.5, the work comes to 3.0"),
        (BREAKS, "no more memory"),
        (SAYS_NOTHING, "gave no answer"),
    ],
    ids=["does half", "is wrong", "breaks", "says nothing"],
)
def test_failed_program_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, reason: str) -> None:
    """What does the work wrongly has no figures but a reason, and exit code 1; the other peers have theirs."""
    code = compare_peers(tmp_path, {"keeps": KEEPS, "fails": program}, "--rounds", "1", "--json")

    (work,) = told(capsys)["works"]
    assert code == 1
    assert [one["peer"] for one in work["peers"]] == ["keeps"]
    assert [one["peer"] for one in work["failed"]] == ["fails"]
    assert reason in work["failed"][0]["reason"]


def test_only_named_peers_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--peers` chooses among the others; the first one is always there to compare with, and may be named."""
    compare_peers(
        tmp_path,
        {"keeps": KEEPS, "forgets": FORGETS, "breaks": BREAKS},
        "--peers",
        "forgets",
        "keeps",
        "--works",
        "small",
        "small",
        "--rounds",
        "1",
        "--json",
    )

    printed = told(capsys)
    assert [one["peer"] for one in printed["peers"]] == ["keeps", "forgets"]
    assert [one["work"] for one in printed["works"]] == ["small"]


def test_json_says_where_it_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The day, the cores and the versions are told; flowkit's is that of its own source."""
    flowkits = Peer("keeps", peer_of(tmp_path, "keeps", KEEPS).program, "", version=FLOWKIT.version)

    main(["--rounds", "1", "--json"], [flowkits], [SMALL], tmp_path / "environments")

    printed = told(capsys)
    assert printed["machine"].keys() == {"measured", "cores", "python", "system"}
    assert printed["machine"]["python"] == platform.python_version()
    assert printed["peers"][0]["version"] == flowkit.__version__
    assert printed["interrupted"] is False


def test_interruption_keeps_what_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130 and one line; what each peer has done until then is printed with its ratio."""
    code = compare_peers(tmp_path, {"keeps": KEEPS, "forgets": FORGETS, "waits": INTERRUPTS}, "--rounds", "3")

    captured = capsys.readouterr()
    assert code == 130
    assert captured.err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in captured.err
    assert re.search(r"^small +keeps .*\n +forgets .*x$", captured.out, re.MULTILINE)
    assert " waits " not in captured.out


def test_interruption_before_any_run_prints_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was compared there is nothing to print; a process that ends by itself meanwhile does no harm."""
    code = compare_peers(tmp_path, {"ends": ENDS_INTERRUPTING}, "--rounds", "1")

    captured = capsys.readouterr()
    assert (code, captured.out) == (130, "")
    assert captured.err.splitlines()[-1] == "interrupted"


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_interruption_leaves_no_process(tmp_path: Path) -> None:
    """What a peer has started ends with it, although it heeds no Ctrl-C: the lock that it shares is free."""
    serves = INTERRUPTS_WITH_SERVER.format(file=str(tmp_path / "held"))

    assert compare_peers(tmp_path, {"serves": serves}, "--rounds", "1") == 130

    with (tmp_path / "held").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)


def test_nothing_is_compared_with_what_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the first peer does not run, nothing else is, and there is no table without it."""
    code = compare_peers(tmp_path, {"breaks": BREAKS, "keeps": KEEPS}, "--rounds", "1")

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert "breaks cannot be run, so there is nothing to compare others with." in captured.err
    assert "no more memory" in captured.err
    assert "keeps" not in captured.err


def test_work_that_the_first_peer_fails_has_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A work that the first peer does wrongly is told as failed, and has no figures of the others."""
    code = compare_peers(tmp_path, {"wrong": IS_WRONG, "keeps": KEEPS}, "--rounds", "1")

    captured = capsys.readouterr()
    assert code == 1
    assert captured.out.startswith("failed    small, wrong: It came to 3.5")
    assert "ratio" not in captured.out


def test_peer_has_its_files_and_variables(tmp_path: Path) -> None:
    """A peer's configuration lies in its project; variables know the project and what outlives it."""
    program = """
import json, os
from counting import count
count("step")
assert open("a/b.ini").read() == "on"
assert os.path.samefile(os.environ["PLACE"], ".") and os.path.isdir(os.environ["KEPT"])
print(json.dumps({"answer": 1}))
"""
    peer = peer_of(
        tmp_path, "reads", program, files={"a/b.ini": "on"}, environment={"PLACE": "{folder}", "KEPT": "{home}"}
    )

    compared = Compared(Work("small", "", size=1, steps=1, answer=1.0))

    compare(compared, [install(peer, tmp_path)], rounds=1)

    assert compared.failed == {}
    assert compared.figures["reads"].again == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--peers", "airship"], "hamilton"), (["--works", "chess"], "breast-cancer"), (["--rounds", "0"], "at least 1")],
    ids=["peer", "work", "rounds"],
)
def test_wrong_argument_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    """A name that nothing has is a usage error that lists the names there are."""
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_list_tells_how_peers_are_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` installs and runs nothing, and names every work and peer with its configuration."""
    code = main(["--list"])

    works, peers = capsys.readouterr().out.split("\n\n")
    assert code == 0
    assert works.startswith("works, for --works\n")
    assert peers.startswith("peers, for --peers, and how they are configured\n")
    assert all(f"  {one.name} " in works and one.about in works for one in WORKS)
    assert all(f"  {one.name} " in peers and one.about in peers for one in PEERS)


@pytest.mark.slow
@pytest.mark.long
def test_peer_is_installed_apart_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A peer runs in an environment of its own, made once; one whose packages are nowhere is left out, others go on."""
    wheel = tmp_path / "tiny-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny.py", "KEEP = True\n")
        file.writestr("tiny-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.2\n")
        file.writestr("tiny-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.2.dist-info/RECORD", "")
    (tmp_path / "tiny.txt").write_text(f"--no-index\n{wheel}\n")
    (tmp_path / "nowhere.txt").write_text("--no-index\nno-such-distribution==1\n")
    tiny = peer_of(tmp_path, "tiny", "import tiny\n" + KEEPS, distribution="tiny", requirements=tmp_path / "tiny.txt")
    nowhere = peer_of(tmp_path, "nowhere", KEEPS, requirements=tmp_path / "nowhere.txt")
    plain = peer_of(tmp_path, "keeps", KEEPS)

    code = main(["--rounds", "1", "--json"], [plain, tiny, nowhere], [SMALL], tmp_path / "environments")

    printed = told(capsys)
    assert code == 0
    assert [(one["peer"], one["version"]) for one in printed["peers"]] == [("keeps", ""), ("tiny", "1.2")]
    assert [one["peer"] for one in printed["works"][0]["peers"]] == ["keeps", "tiny"]
    (left_out,) = printed["left_out"]
    assert left_out["peer"] == "nowhere"
    assert "no-such-distribution" in left_out["reason"]
    assert not (tmp_path / "environments" / "nowhere").exists()

    wheel.unlink()
    assert install(tiny, tmp_path / "environments").version == "1.2", "what is there is not made again"
    (tmp_path / "tiny.txt").write_text("--no-index\ntiny==2\n")
    with pytest.raises(NotInstalledError, match="tiny"):
        install(tiny, tmp_path / "environments")


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_flowkit_reuses_every_step(work: Work, tmp_path: Path) -> None:
    """flowkit comes to what each work comes to, and by the counter outside executes every step once."""
    compared = Compared(work)

    compare(compared, [install(FLOWKIT, tmp_path)], rounds=1)

    assert compared.failed == {}
    assert compared.figures["flowkit"].again == 0
