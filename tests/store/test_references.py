"""What a file that was written again may refer to, and which files an artifact needs."""

from __future__ import annotations

from pathlib import Path

from flowkit.codecs.base import Encoded
from flowkit.records import Artifact
from flowkit.store import LocalStore, StoreFolder
from flowkit.store.references import References
from tests.store.test_salvage import flip_chunk, lose, mend
from tests.store.values import is_right, noise, table

A, B, C = noise(1, 300_000), noise(2, 5_000), noise(3, 9_000)


def led_on(folder: StoreFolder) -> tuple[Artifact, Artifact, Artifact, Encoded]:
    """A third file, one that was lost and refers to the third since, and a table that refers to that one."""
    first, second, wider = table(A), table(A, B), table(A, C)
    store = LocalStore(folder)
    load = store.put(second)
    features = store.put(wider)
    assert features.files[1:] == load.files
    folder.blob_path(load.files[0].name).unlink()
    other = LocalStore(folder)
    base = other.put(first)
    again = other.put(second)
    assert len(again.files) == 2
    return base, again, features, wider


def test_an_artifact_needs_what_its_files_lead_on_to(folder: StoreFolder) -> None:
    """Where a file refers on to a third one, what is recorded of an artifact lacks that one, and reading needs it."""
    base, load, features, wider = led_on(folder)
    names = {artifact.files[0].name for artifact in (base, load, features)}

    needed = References(folder).needed_for(features.files[0].name)

    assert needed == names
    assert References(folder).needed_for(base.files[0].name) == {base.files[0].name}
    assert is_right(LocalStore(folder), features, wider)
    folder.blob_path(base.files[0].name).unlink()
    lose(folder, features)


def test_a_file_in_quarantine_leads_on_as_one_in_place_does(folder: StoreFolder) -> None:
    """Readers look into the tables of quarantined files, so that what these refer to is needed."""
    base, load, features, wider = led_on(folder)
    names = {artifact.files[0].name for artifact in (base, load, features)}
    flip_chunk(folder, load, 1)
    references = References(folder)
    assert references.needed_for(features.files[0].name) == names

    lose(folder, load)

    assert not folder.holds(load.files[0])
    assert is_right(LocalStore(folder), features, wider)
    assert references.needed_for(features.files[0].name) == names
    assert references.needed_for(features.files[0].name, to_mend=True) == names
    put_away(folder, features)
    assert References(folder).needed_for(features.files[0].name) == names
    assert mend(folder, features) is not None


def put_away(folder: StoreFolder, artifact: Artifact) -> None:
    """Move an artifact's whole file to quarantine, as who took it for damaged did."""
    name = artifact.files[0].name
    assert folder.quarantine_blob(name, folder.stamp(name)).startswith("quarantine/")


def test_what_no_standing_file_holds_is_needed_wherever_it_lies(folder: StoreFolder) -> None:
    """A part that lies in a quarantined file may be the damaged one: any other file that has it too mends it."""
    base = LocalStore(folder).put(table(A, B))
    copy = LocalStore(folder).put(table(A, C))
    name, other = base.files[0].name, copy.files[0].name
    assert References(folder).needed_for(name, to_mend=True) == {name}
    flip_chunk(folder, base, 0)

    lose(folder, base)

    assert References(folder).needed_for(name) == {name}
    assert References(folder).needed_for(name, to_mend=True) == {name, other}
    assert References(folder).needed_for(other, to_mend=True) == {other}


def test_a_file_that_leads_nowhere_is_needed_itself(folder: StoreFolder) -> None:
    """Files that are gone or cut are needed as they are recorded; nothing follows from them."""
    _, load, features, _ = led_on(folder)
    path = folder.blob_path(load.files[0].name)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-9])

    assert References(folder).needed_for(features.files[0].name) == {load.files[0].name, features.files[0].name}
    path.unlink()
    assert References(folder).needed_for(features.files[0].name) == {load.files[0].name, features.files[0].name}
    folder.blob_path(features.files[0].name).unlink()
    assert References(folder).needed_for(features.files[0].name) == {features.files[0].name}


def test_what_takes_the_place_of_a_damaged_file_refers_to_no_other(folder: StoreFolder, tmp_path: Path) -> None:
    """Others may refer into a file that stood before, so that its new bytes stand in for all that it held."""
    for number, found_by in enumerate(("put", "reader")):
        place = StoreFolder.create_or_open(tmp_path / str(number))
        store = LocalStore(place)
        load = store.put(table(A, B))
        features = store.put(table(A, C))
        flip_chunk(place, load, 1)
        if found_by == "reader":
            lose(place, load)
        other = LocalStore(place)
        other.put(table(A))

        again = other.put(table(A, B))

        assert [file.name for file in again.files] == [load.files[0].name]
        assert References(place).needed_for(features.files[0].name) == {file.name for file in features.files}
        assert is_right(LocalStore(place), features, table(A, C))


def test_a_file_that_is_mended_keeps_what_it_held(folder: StoreFolder) -> None:
    """Verifying writes a file again with the right references, and what lay in it others still find there."""
    _, _, features, _ = led_on(folder)
    narrow = table(C, noise(4, 7_000))
    store = LocalStore(folder)
    store.open(features).chunk(table(C).chunks[0].digest)
    user = store.put(narrow)
    assert [file.name for file in user.files[1:]] == [features.files[0].name]
    other = LocalStore(folder)
    other.put(table(C))

    other.verify(features)

    assert References(folder).needed_for(user.files[0].name) == {file.name for file in user.files}


def test_whole_parts_of_a_quarantined_file_can_be_read(folder: StoreFolder) -> None:
    """A reader that finds one part of a file damaged takes no other part away from those that refer to it."""
    store = LocalStore(folder)
    load, wider = store.put(table(A, B)), table(A, C)
    features = store.put(wider)
    flip_chunk(folder, load, 1)
    lose(folder, load)
    assert not folder.blob_path(load.files[0].name).exists()

    assert is_right(LocalStore(folder), features, wider)
    mended = LocalStore(folder).verify(features)

    assert [file.name for file in mended.files] == [features.files[0].name]
    for path in folder.quarantine.iterdir():
        path.unlink()
    assert is_right(LocalStore(folder), mended, wider)


def test_a_damaged_part_is_not_read_from_quarantine(folder: StoreFolder) -> None:
    """What is read from there is hashed like all else."""
    store = LocalStore(folder)
    load = store.put(table(A, B))
    features = store.put(table(A, C))
    flip_chunk(folder, load, 0)
    lose(folder, load)

    lose(folder, features)
