"""The exception tree.

```
FlowkitError
├── DefinitionError          exit 2, before anything runs
│   ├── StepDefinitionError
│   ├── PipelineDefinitionError
│   ├── ArgumentError
│   ├── EdgeError
│   ├── HandleError
│   ├── IntervalError
│   └── GateError
├── UsageError               exit 2
│   ├── TargetError
│   ├── ParameterError
│   ├── SelectionError
│   ├── SettingError
│   ├── AcceptanceError
│   ├── BackupUseError
│   ├── CapacityError
│   ├── NotRecordedError
│   └── RegistryError
├── EncodingError            exit 2
├── OutputError              exit 1, what a command says cannot be written
├── SecretUseError           exit 2
├── StepError                exit 1, one node
│   ├── InputError
│   │   └── StepInputError
│   ├── ContractError
│   ├── ValueTypeError
│   │   └── StepOutputError
│   ├── CodecError
│   │   ├── PartitionError
│   │   └── UnstableFileError
│   ├── ComputeError
│   ├── CodeMismatchError
│   ├── StepDeathError
│   ├── StepExitError
│   ├── StepLimitError
│   ├── StepRaisedError
│   ├── SecretError
│   └── PromotionError
└── StoreError               exit 4
    ├── BackupError
    ├── LostArtifactError
    ├── RemoteError
    ├── WorkerError
    └── LineageError
```
"""

from flowkit.errors.acceptance import AcceptanceError
from flowkit.errors.arguments import ArgumentError, IntervalError
from flowkit.errors.backup import BackupError, BackupUseError
from flowkit.errors.base import Facts, FlowkitError, cut, facts_to_json, show_value
from flowkit.errors.codec import CodecError
from flowkit.errors.compute import ComputeError, PartitionError
from flowkit.errors.definition import (
    CheckError,
    DefinitionError,
    HandleError,
    PipelineDefinitionError,
    StepDefinitionError,
)
from flowkit.errors.edges import EdgeError
from flowkit.errors.encoding import EncodingError
from flowkit.errors.execution import (
    StepDeathError,
    StepExitError,
    StepInputError,
    StepLimitError,
    StepOutputError,
    StepRaisedError,
)
from flowkit.errors.lineage import LineageError
from flowkit.errors.recorded import NotRecordedError
from flowkit.errors.registry import GateError, RegistryError
from flowkit.errors.remote import RemoteError
from flowkit.errors.secrets import SecretError, SecretUseError
from flowkit.errors.settings import SettingError
from flowkit.errors.step import (
    ContractError,
    InputError,
    PromotionError,
    StepError,
    ValueTypeError,
)
from flowkit.errors.store import LostArtifactError, StoreError, UnstableFileError
from flowkit.errors.targets import TargetError
from flowkit.errors.usage import OutputError, ParameterError, SelectionError, UsageError
from flowkit.errors.workers import CapacityError, CodeMismatchError, WorkerError

__all__ = [
    "AcceptanceError",
    "ArgumentError",
    "BackupError",
    "BackupUseError",
    "CapacityError",
    "CheckError",
    "CodeMismatchError",
    "CodecError",
    "ComputeError",
    "ContractError",
    "DefinitionError",
    "EdgeError",
    "EncodingError",
    "Facts",
    "FlowkitError",
    "GateError",
    "HandleError",
    "InputError",
    "IntervalError",
    "LineageError",
    "LostArtifactError",
    "NotRecordedError",
    "OutputError",
    "ParameterError",
    "PartitionError",
    "PipelineDefinitionError",
    "PromotionError",
    "RegistryError",
    "RemoteError",
    "SecretError",
    "SecretUseError",
    "SelectionError",
    "SettingError",
    "StepDeathError",
    "StepDefinitionError",
    "StepError",
    "StepExitError",
    "StepInputError",
    "StepLimitError",
    "StepOutputError",
    "StepRaisedError",
    "StoreError",
    "TargetError",
    "UnstableFileError",
    "UsageError",
    "ValueTypeError",
    "WorkerError",
    "cut",
    "facts_to_json",
    "show_value",
]
