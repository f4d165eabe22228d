"""scikit-learn estimators, pipelines included."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.codecs.pickling import dump_fixpoint, load_pickle


class EstimatorCodec:
    """Stores estimators as pickle, at its fixpoint: most models give the same bytes in every process.

    A model that does not, such as one that holds sets of text, costs a rerun of its consumers, never a wrong hit.
    """

    format = "pickle"

    def handles(self, value: object) -> bool:
        """Whether `value` is an estimator; scikit-learn is not imported to find out."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(value, base.BaseEstimator)

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode an estimator.

        Raises:
            CodecError: It cannot be pickled, or does not load again.
        """
        payload, refers = dump_fixpoint(value)
        return Encoded(self.format, digest_payload(self.format, payload), payload, ".pkl", refers=refers)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Load an estimator.

        Raises:
            CodecError: It does not load in this process.
        """
        return load_pickle(stored.payload, self.format)
