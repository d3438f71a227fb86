"""A second device where there is none: `elsewhere:0` computes on the CPU but keeps its own tensors.

    with elsewhere():
        model.to("elsewhere:0")      # a tensor left behind meets the others as on a card: an error

A tensor there wraps one on the CPU. What it refuses is what CUDA refuses: an operation over tensors
of both devices (a tensor without axes and a list of indices may come from the CPU), and `.numpy()`.
Arithmetic is the CPU's, so a run there must give the CPU's bits: each difference is a fault in the
code, none is rounding. Under autocast the operations of CUDA's two lists are cast as there. The
kernels of a real card, their rounding and its memory are not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

aten = torch.ops.aten

NAME = "elsewhere"

COPIES = {aten._to_copy.default, aten.copy_.default}

INDEXED = {aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default}
"""Their indices may lie on the CPU, if the indexed tensor does not."""

LOWER = ("linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "scaled_dot_product_attention")
"""Run in the low precision under autocast."""

FLOAT32 = ("layer_norm", "softmax.int", "log_softmax.int", "binary_cross_entropy_with_logits")
"""Run in float32 under autocast."""


class There(Tensor):
    """A tensor of the other device; `held` has its numbers, in the same strides."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made  # type: ignore[no-any-return]

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _call(operation, args, kwargs or {})

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A file holds the numbers, as one does that is loaded with map_location="cpu"."""
        return self.held.__reduce_ex__(protocol)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"There({self.held!r})"

    @property
    def __tensor_flatten__(self) -> Callable[[], tuple[list[str], None]]:
        """Seeing it, Module.to keeps a parameter and swaps its insides, as it sets CUDA's data."""
        if torch.__future__.get_overwrite_module_params_on_conversion():
            raise AttributeError("parameters are to be replaced")
        return lambda: (["held"], None)

    @staticmethod
    def __tensor_unflatten__(inner: Mapping[str, Tensor], *rest: Any) -> There:
        return There(inner["held"])


def _call(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    there: list[There] = []
    others: list[Tensor] = []

    args_there = [_inner(x, there, others) for x in args]
    kwargs_there = {name: _inner(x, there, others) for name, x in kwargs.items()}
    if operation in INDEXED and isinstance(args[0], There):
        others = [x for x in args[2:] if isinstance(x, Tensor) and not isinstance(x, There)]
    _refuse(operation, there, others)
    goes = bool(there)
    if operation is aten.copy_.default:
        goes = isinstance(args[0], There)
    if kwargs.get("device") is not None:
        goes = torch.device(kwargs["device"]).type == NAME
        kwargs_there["device"] = torch.device("cpu")
    found = operation(*args_there, **kwargs_there)
    if operation is aten._to_copy.default and any(found is t.held for t in there):
        found = found.clone()
    same = {id(t.held): t for t in there}

    def wrap(x: Any) -> Any:
        if not goes or not isinstance(x, Tensor):
            return x
        return same[id(x)] if id(x) in same else There(x)

    return wrap(found) if isinstance(found, Tensor) else tree_map(wrap, found)


def _inner(x: Any, there: list[There], others: list[Tensor]) -> Any:
    """What a tensor there holds; it and those of the CPU are listed. No closure: one that calls
    itself would keep views of weights alive, and Module.to refuses to move a weight with a view."""
    if isinstance(x, There):
        there.append(x)
        return x.held
    if isinstance(x, Tensor):
        others.append(x)
    elif isinstance(x, list | tuple):
        return [_inner(each, there, others) for each in x]
    return x


def _refuse(operation: Any, there: list[There], others: list[Tensor]) -> None:
    if operation in COPIES or not there:
        return
    if any(t.ndim > 0 for t in others):
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{NAME}:0 and cpu! (in {operation})"
        )


class _Operations(TorchDispatchMode):
    """Makes tensors there that come from no other tensor there."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _call(operation, args, kwargs or {})


class _Names(TorchFunctionMode):
    """`elsewhere` means its first and only one."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if function is Tensor.tolist:  # which torch refuses for any class of tensors but its own
            return args[0].cpu().tolist()
        if function in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[1], list):
            args = (args[0], torch.tensor(args[1]), *args[2:])  # torch would make it there, unseen
        if function is not torch.device:
            args, given = tuple(map(_first, args)), {k: _first(v) for k, v in given.items()}
        return function(*args, **given)


def _first(value: Any) -> Any:
    named = value == NAME if isinstance(value, str) else False
    bare = isinstance(value, torch.device) and value.type == NAME and value.index is None
    return torch.device(NAME, 0) if named or bare else value


@cache
def register() -> object:
    """Tells torch, once a process, that there is such a device: before its first backward pass,
    which starts one thread a device. None where torch is too old, or a card makes it needless.
    """
    from torch.utils import backend_registration as backend

    if torch.cuda.is_available() or not hasattr(backend, "_setup_privateuseone_for_python_backend"):
        return None

    class Module(backend._DummyBackendModule):  # type: ignore[misc]
        """What torch asks of a device: it draws nothing there."""

        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16]

        def get_rng_state(self, device: object) -> Tensor:
            return torch.zeros(0, dtype=torch.uint8)

        def set_rng_state(self, state: Tensor, device: object) -> None: ...

    backend._setup_privateuseone_for_python_backend(NAME, Module())
    others = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
    others.fallback(torch.library.fallthrough_kernel)
    library = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
    for names, lower in ((LOWER, True), (FLOAT32, False)):
        for name in names:
            library.impl(name, _cast(name, lower), "AutocastPrivateUse1")
    return library, others


def _cast(name: str, lower: bool) -> Callable[..., Any]:
    base, _, overload = name.partition(".")
    operation = getattr(getattr(aten, base), overload or "default")

    def run(*args: Any, **kwargs: Any) -> Any:
        dtype = torch.get_autocast_dtype(NAME) if lower else torch.float32

        def cast(x: Any) -> Any:
            floats = isinstance(x, Tensor) and x.is_floating_point() and x.dtype != torch.float64
            return x.to(dtype) if floats and x.device.type == NAME else x

        off = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
        with torch._C._ExcludeDispatchKeyGuard(off):
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return run


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, for as long as the block runs. Skips the test where there is none."""
    if register() is None:
        pytest.skip("needs no CUDA device, and a torch of 2.13 to stand in for one")
    with _Operations(), _Names():
        yield torch.device(NAME, 0)
