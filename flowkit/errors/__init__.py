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

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.errors.acceptance import AcceptanceError as AcceptanceError
    from flowkit.errors.arguments import ArgumentError as ArgumentError
    from flowkit.errors.arguments import IntervalError as IntervalError
    from flowkit.errors.backup import BackupError as BackupError
    from flowkit.errors.backup import BackupUseError as BackupUseError
    from flowkit.errors.base import Facts as Facts
    from flowkit.errors.base import FlowkitError as FlowkitError
    from flowkit.errors.base import cut as cut
    from flowkit.errors.base import facts_to_json as facts_to_json
    from flowkit.errors.base import show_value as show_value
    from flowkit.errors.codec import CodecError as CodecError
    from flowkit.errors.compute import ComputeError as ComputeError
    from flowkit.errors.compute import PartitionError as PartitionError
    from flowkit.errors.definition import CheckError as CheckError
    from flowkit.errors.definition import DefinitionError as DefinitionError
    from flowkit.errors.definition import HandleError as HandleError
    from flowkit.errors.definition import PipelineDefinitionError as PipelineDefinitionError
    from flowkit.errors.definition import StepDefinitionError as StepDefinitionError
    from flowkit.errors.edges import EdgeError as EdgeError
    from flowkit.errors.encoding import EncodingError as EncodingError
    from flowkit.errors.execution import StepDeathError as StepDeathError
    from flowkit.errors.execution import StepExitError as StepExitError
    from flowkit.errors.execution import StepInputError as StepInputError
    from flowkit.errors.execution import StepLimitError as StepLimitError
    from flowkit.errors.execution import StepOutputError as StepOutputError
    from flowkit.errors.execution import StepRaisedError as StepRaisedError
    from flowkit.errors.lineage import LineageError as LineageError
    from flowkit.errors.recorded import NotRecordedError as NotRecordedError
    from flowkit.errors.registry import GateError as GateError
    from flowkit.errors.registry import RegistryError as RegistryError
    from flowkit.errors.remote import RemoteError as RemoteError
    from flowkit.errors.secrets import SecretError as SecretError
    from flowkit.errors.secrets import SecretUseError as SecretUseError
    from flowkit.errors.settings import SettingError as SettingError
    from flowkit.errors.step import ContractError as ContractError
    from flowkit.errors.step import InputError as InputError
    from flowkit.errors.step import PromotionError as PromotionError
    from flowkit.errors.step import StepError as StepError
    from flowkit.errors.step import ValueTypeError as ValueTypeError
    from flowkit.errors.store import LostArtifactError as LostArtifactError
    from flowkit.errors.store import StoreError as StoreError
    from flowkit.errors.store import UnstableFileError as UnstableFileError
    from flowkit.errors.targets import TargetError as TargetError
    from flowkit.errors.usage import OutputError as OutputError
    from flowkit.errors.usage import ParameterError as ParameterError
    from flowkit.errors.usage import SelectionError as SelectionError
    from flowkit.errors.usage import UsageError as UsageError
    from flowkit.errors.workers import CapacityError as CapacityError
    from flowkit.errors.workers import CodeMismatchError as CodeMismatchError
    from flowkit.errors.workers import WorkerError as WorkerError

_MODULES = {
    "AcceptanceError": "acceptance",
    "ArgumentError": "arguments",
    "BackupError": "backup",
    "BackupUseError": "backup",
    "CapacityError": "workers",
    "CheckError": "definition",
    "CodeMismatchError": "workers",
    "CodecError": "codec",
    "ComputeError": "compute",
    "ContractError": "step",
    "DefinitionError": "definition",
    "EdgeError": "edges",
    "EncodingError": "encoding",
    "Facts": "base",
    "FlowkitError": "base",
    "GateError": "registry",
    "HandleError": "definition",
    "InputError": "step",
    "IntervalError": "arguments",
    "LineageError": "lineage",
    "LostArtifactError": "store",
    "NotRecordedError": "recorded",
    "OutputError": "usage",
    "ParameterError": "usage",
    "PartitionError": "compute",
    "PipelineDefinitionError": "definition",
    "PromotionError": "step",
    "RegistryError": "registry",
    "RemoteError": "remote",
    "SecretError": "secrets",
    "SecretUseError": "secrets",
    "SelectionError": "usage",
    "SettingError": "settings",
    "StepDeathError": "execution",
    "StepDefinitionError": "definition",
    "StepError": "step",
    "StepExitError": "execution",
    "StepInputError": "execution",
    "StepLimitError": "execution",
    "StepOutputError": "execution",
    "StepRaisedError": "execution",
    "StoreError": "store",
    "TargetError": "targets",
    "UnstableFileError": "store",
    "UsageError": "usage",
    "ValueTypeError": "step",
    "WorkerError": "workers",
    "cut": "base",
    "facts_to_json": "base",
    "show_value": "base",
}

__all__ = sorted(_MODULES)

# Most processes meet few of them.
__getattr__ = lazy_names(__name__, _MODULES)
