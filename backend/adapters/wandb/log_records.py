"""The records of a `.wandb` file as messages: the part of `wandb_internal.proto` that is read here.

Built when imported, in a pool of their own: `wandb.proto` costs eight times as much to import, and W&B's library has no
business in the dashboard. Fields that are not named are skipped, so files of older and newer versions are read alike.
https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass


class RecordType(IntEnum):
    """The number of the record's field that is set."""

    OTHER = 0
    HISTORY = 2
    SUMMARY = 3
    OUTPUT = 4
    CONFIG = 5
    STATS = 7
    METRIC = 12
    OUTPUT_RAW = 13
    RUN = 17
    EXIT = 18
    ENVIRONMENT = 26


_ITEM: Final = "key:1:string nested_key:2:string* value_json:16:string"
_CHANGES: Final = "update:1:{0}* remove:2:{0}*"
_OUTPUT: Final = "output_type:1:int32 timestamp:2:Time line:3:string"
_MESSAGES: Final = {
    "Time": "seconds:1:int64 nanos:2:int32",
    "Item": _ITEM,
    "Step": "num:1:int64",
    "History": "item:1:Item* step:2:Step",
    "Changes": _CHANGES.format("Item"),
    "Output": _OUTPUT,
    "Stats": "timestamp:2:Time item:3:Item*",
    "Options": "step_sync:1:bool hidden:2:bool defined:3:bool",
    "Kept": "min:1:bool max:2:bool mean:3:bool best:4:bool last:5:bool none:6:bool copy:7:bool first:8:bool",
    "Metric": "name:1:string glob_name:2:string step_metric:4:string options:6:Options summary:7:Kept goal:8:int32",
    "Git": "remote_url:1:string commit:2:string",
    "Run": "run_id:1:string entity:2:string project:3:string config:4:Changes run_group:6:string job_type:7:string "
    "display_name:8:string notes:9:string tags:10:string* host:13:string start_time:17:Time git:21:Git",
    "Exit": "exit_code:1:int32 runtime:2:int32",
    "Memory": "total:1:uint64",
    "Cpu": "count:1:uint32 count_logical:2:uint32 model:3:string",
    "Gpu": "name:1:string memory_total:2:uint64 architecture:4:string",
    "Environment": "os:1:string python:2:string docker:4:string args:5:string* program:6:string git:9:Git "
    "host:12:string username:13:string executable:14:string cpu_count:16:uint32 cpu_count_logical:17:uint32 "
    "gpu_type:18:string gpu_count:19:uint32 memory:21:Memory cpu:22:Cpu gpu_nvidia:24:Gpu* cuda_version:25:string",
    "Record": "num:1:int64 history:2:History summary:3:Changes output:4:Output config:5:Changes stats:7:Stats "
    "metric:12:Metric output_raw:13:Output run:17:Run exit:18:Exit environment:26:Environment",
}
_TYPES: Final = {
    "int64": FieldDescriptorProto.TYPE_INT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    # Strings of strangers may not be UTF-8; as bytes they are read all the same, and decoded where they are shown.
    "string": FieldDescriptorProto.TYPE_BYTES,
}
_PACKAGE: Final = "digits.wandb"


def _build(messages: Iterable[tuple[str, str]]) -> Any:
    file = FileDescriptorProto(name="digits/wandb.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in messages:
        message = DescriptorProto(name=name)
        for field in fields.split():
            field_name, number, kind = field.split(":")
            added = message.field.add(name=field_name, number=int(number))
            added.label = (
                FieldDescriptorProto.LABEL_REPEATED if kind[-1] == "*" else FieldDescriptorProto.LABEL_OPTIONAL
            )
            kind = kind.rstrip("*")
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        file.message_type.append(message)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Record"))


Record: Final = _build(_MESSAGES.items())
"""The class of a record; every text in it is bytes. `Record.FromString` raises `DecodeError`."""

__all__ = ["DecodeError", "Record", "RecordType", "text", "type_of"]

_QUICK: Final = {int(kind) << 3 | 2: kind for kind in (RecordType.HISTORY, RecordType.SUMMARY, RecordType.STATS)}
_TYPE_VALUES: Final = {int(kind): kind for kind in RecordType}


def type_of(payload: bytes) -> RecordType:
    """What a record is, from its fields' tags alone: most need not be parsed. `OTHER` for what is not read here.

    W&B writes fields in any order: the record's number, its run's id and a token may come before.
    """
    position, size = 0, len(payload)
    if size > 8 and payload[0] == 0x08:  # the short way for what most records are: the number, then a row or a summary
        position = 2
        while payload[position - 1] >= 0x80 and position < 7:
            position += 1
        quick = _QUICK.get(payload[position])
        if quick is not None:
            return quick
    while position < size:
        tag, position = _varint(payload, position, size)
        wire = tag & 7
        if wire == 2:
            kind = _TYPE_VALUES.get(tag >> 3)
            if kind is not None:
                return kind
            length, position = _varint(payload, position, size)
            position += length
        elif wire == 0:
            _, position = _varint(payload, position, size)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            break
    return RecordType.OTHER


def _varint(payload: bytes, position: int, size: int) -> tuple[int, int]:
    """The number at `position`, and where it ends; 0 and the end of the payload when it is cut off."""
    value = shift = 0
    while position < size:
        byte = payload[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    return 0, size


def text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
