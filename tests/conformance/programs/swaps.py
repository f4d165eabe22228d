"""What is exchanged for what by an edit of one name or operator."""

from __future__ import annotations

import ast

NAMES = {
    "sum": "max", "max": "min", "min": "max", "len": "id", "sorted": "list", "float": "int", "int": "float",
    "str": "repr", "isinstance": "issubclass", "dict": "list", "divmod": "pow", "enumerate": "zip", "abs": "float",
    "KeyError": "IndexError", "ValueError": "TypeError", "LookupError": "KeyError", "OSError": "RuntimeError",
    "IndexError": "KeyError", "range": "slice", "round": "divmod", "bytes": "bytearray", "list": "tuple",
    "frozenset": "set", "bytearray": "bytes", "property": "staticmethod", "staticmethod": "classmethod",
}  # fmt: skip
ATTRIBUTES = {
    "sin": "cos", "cos": "sin", "atan": "asinh", "tanh": "atan", "floor": "ceil", "fmod": "remainder", "upper": "lower",
    "strip": "title", "get": "setdefault", "size": "start", "start": "size", "I": "M", "M": "I", "neg": "pos",
    "suppress": "nullcontext", "value": "name", "date": "datetime", "from_bytes": "fromhex", "Enum": "IntEnum",
    "IntEnum": "Enum", "IntFlag": "IntEnum", "cached_property": "lru_cache", "cache": "lru_cache", "left": "right",
    "width": "hidden", "by": "many", "rate": "price",
}  # fmt: skip
OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Add, ast.Pow), ast.Mod: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mod,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitXor,), ast.BitXor: (ast.BitAnd,),
    ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,), ast.Div: (ast.Mult, ast.FloorDiv), ast.And: (ast.Or,),
    ast.Or: (ast.And,), ast.Not: (ast.Invert,), ast.USub: (ast.UAdd,),
}  # fmt: skip
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt,), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt,), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
