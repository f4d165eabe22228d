"""The key of a node in the process that is to run it, which alone knows the inputs that the same packet makes."""

from __future__ import annotations

from flowkit.cache.arguments import ArgumentCode, ColumnViews, describe_argument
from flowkit.cache.key import compute_cache_key
from flowkit.execution.arguments import Resolve
from flowkit.execution.base import NodeOrder
from flowkit.execution.borders import StepBorders
from flowkit.records import Digest, KeyParts


def node_key(
    order: NodeOrder,
    borders: StepBorders,
    resolve: Resolve,
    code: ArgumentCode | None = None,
    views: ColumnViews | None = None,
) -> Digest:
    """Return the node's cache key: the given one, or computed from its arguments.

    Raises:
        EncodingError: An argument has no canonical encoding.
    """
    if order.key is not None:
        return order.key
    parts = [
        order.parts.get(border.name)
        or describe_argument(border.name, order.arguments[border.name], resolve, code, border.selections, views)
        for border in borders.parameters
        if not border.untracked and border.name in order.arguments
    ]
    return compute_cache_key(KeyParts(order.step.name, order.step.code, order.step.environment, tuple(parts)))
