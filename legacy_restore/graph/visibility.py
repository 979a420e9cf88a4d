"""Whether the tasks of a cluster see the files that they are to read and to write.

Files are opened by the task on which the operation runs, which may be on another
machine, or see another disk under the same path. So every task that reads is asked for
the files first: that they are there, and that what lists the tensors is the very file
that the plan was made from. Data are then held to the checksums in it by TensorFlow.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.graph.alias import odd_names
from legacy_restore.graph.cluster_session import ClusterSession
from legacy_restore.graph.tasks import task_of
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.opened import Opened
from legacy_restore.tf import tf

# Files of this size and below are compared as a whole; V1 files hold all values.
_COMPARED_BYTES = 256 << 20
_HINT = "a path that leads every task to the same files, such as that of a shared disk"

_HERE = "/device:CPU:0"


def refuse_unseen(
    session: Any, opened: Mapping[str, Opened], devices: Mapping[str, Sequence[str]]
) -> None:
    """Demands that each task sees the checkpoints that it reads.

    Args:
      session: The session; any but one of a cluster reads what the plan has read.
      opened: The checkpoints, by model name.
      devices: The devices that read, by model name.

    Raises:
      RestoreError: A task does not see a file, or sees another one; nothing was
        changed. Or it can be restored only through a link, which no other task sees.
    """
    if not isinstance(session, ClusterSession):
        return
    findings = _patterns(opened) or _unseen(session, opened, devices)
    if findings:
        text = "the cluster cannot read the checkpoints; nothing was changed"
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)


def refuse_unseen_directory(session: Any, path: str, devices: Iterable[str]) -> None:
    """Demands that the tasks which write see a directory that was just made.

    Args:
      session: The session; any but one of a cluster writes in this process.
      path: The directory; its name is like no other.
      devices: The devices that write.

    Raises:
      RestoreError: One of them does not; nothing was written.
    """
    if not isinstance(session, ClusterSession):
        return
    where = os.path.dirname(path)
    findings = [
        Finding(
            KINDS["not-visible"],
            where,
            f"{_said(device, session)} writes there, and does not see it",
            hint=_HINT,
        )
        for device, seen in _seen(session, {one: [path] for one in devices}).items()
        if path not in seen
    ]
    if findings:
        text = "the cluster cannot write there; nothing was written"
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)


def _patterns(opened: Mapping[str, Opened]) -> List[Finding]:
    prefixes = {name: one.prefix for name, one in opened.items()}
    files = {name: one.paths for name, one in opened.items()}
    return [
        Finding(
            KINDS["path-is-pattern"],
            prefixes[name],
            "TensorFlow takes it for a pattern; the link that would help is not seen "
            "by other tasks",
            model=name,
            hint="rename the directory, or link to it from a path without * ? [ \\",
        )
        for name in odd_names(files, prefixes)
    ]


def _unseen(
    session: ClusterSession,
    opened: Mapping[str, Opened],
    devices: Mapping[str, Sequence[str]],
) -> List[Finding]:
    models: Dict[str, List[str]] = {}
    for name, own in devices.items():
        for device in own:
            models.setdefault(device, []).append(name)
    wanted = {
        device: [path for name in names for path in opened[name].paths]
        for device, names in models.items()
    }
    seen = _seen(session, wanted)
    compared = {
        device: [path for path in paths if path in seen[device] and _is_compared(path)]
        for device, paths in wanted.items()
    }
    others = _others(session, compared)
    findings = []
    for device, names in models.items():
        for name in names:
            for path in opened[name].paths:
                if path not in seen[device]:
                    what = "does not see it"
                elif (device, path) in others:
                    what = "sees another file there"
                else:
                    continue
                findings.append(
                    Finding(
                        KINDS["not-visible"],
                        path,
                        f"{_said(device, session)} {what}{_relative(opened[name])}",
                        model=name,
                        hint=_HINT,
                    )
                )
    return findings


def _said(device: str, session: ClusterSession) -> str:
    return task_of(device) or f"the task at {session.target}"


def _relative(opened: Opened) -> str:
    given = os.fspath(opened.source.location.given)
    return "" if os.path.isabs(given) else f"; {given!r} was taken from here"


def _is_compared(path: str) -> bool:
    """Whether a file says where the values are; those have checksums in it."""
    is_data = ".data-" in os.path.basename(path)
    return not is_data and os.path.getsize(path) <= _COMPARED_BYTES


def _seen(
    session: ClusterSession, wanted: Mapping[str, Sequence[str]]
) -> Dict[str, List[str]]:
    """Which of some paths there are for each device."""
    places = [(device, path) for device, paths in wanted.items() for path in paths]
    graph = tf.Graph()
    questions = []
    with graph.as_default():
        for device, path in places:
            with tf.device(device):
                questions.append(tf.io.matching_files(os.fsencode(path)))
    if not places:
        return {}
    with session.beside(graph) as another, another.limited():
        answers = _matching(another, questions)
    found: Dict[str, List[str]] = {device: [] for device in wanted}
    for (device, path), is_there in zip(places, answers):
        if is_there:
            found[device].append(path)
    return found


def _matching(session: ClusterSession, questions: Sequence[Any]) -> List[bool]:
    """Whether anything matches each of some patterns."""
    try:
        return [len(paths) > 0 for paths in session.run(list(questions))]
    except tf.errors.NotFoundError:
        # TensorFlow 1 says so of a directory that is not there.
        if len(questions) == 1:
            return [False]
    middle = len(questions) // 2
    first, second = questions[:middle], questions[middle:]
    return [*_matching(session, first), *_matching(session, second)]


def _others(
    session: ClusterSession, compared: Mapping[str, Sequence[str]]
) -> List[Tuple[str, str]]:
    """The pairs of device and path whose contents are not those seen from here."""
    places = [(device, path) for device, paths in compared.items() for path in paths]
    graph, fingerprints = _fingerprints(places)
    found = _run(session, graph, fingerprints)
    own = [(_HERE, path) for path in sorted({path for _, path in places})]
    here_graph, here = _fingerprints(own)
    with tf.Session(graph=here_graph) as local:
        expected = local.run(here) if own else {}
    return [place for place in places if found[place] != expected[_HERE, place[1]]]


def _fingerprints(
    places: Sequence[Tuple[str, str]],
) -> Tuple[Any, Dict[Tuple[str, str], Any]]:
    graph = tf.Graph()
    found = {}
    with graph.as_default():
        for device, path in places:
            with tf.device(device):
                contents = tf.io.read_file(os.fsencode(path))
                found[device, path] = (
                    tf.strings.length(contents),
                    tf.strings.to_hash_bucket_fast(contents, 1 << 62),
                )
    return graph, found


def _run(session: ClusterSession, graph: Any, fetches: Mapping[Any, Any]) -> Any:
    """Runs a step of another graph on the cluster of a session."""
    if not fetches:
        return {}
    with session.beside(graph) as another, another.limited():
        return another.run(dict(fetches))
