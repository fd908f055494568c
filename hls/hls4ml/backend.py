# SPDX-License-Identifier: Apache-2.0
"""RecFabric's layers in an hls4ml backend: their C++ templates, and their registration.

Through hls4ml's Extension API; installing RecFabric also publishes them as an hls4ml plug-in
(entry-point group ``hls4ml.backends``), so that any hls4ml model may name them in a layer list.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import layer_map, register_layer

from recfabric.hls.hls4ml.interfaces import RfInterfaces
from recfabric.hls.hls4ml.layers import LAYERS, RfLayer

if TYPE_CHECKING:
    from hls4ml.model.graph import ModelGraph

HEADERS = Path(__file__).parent / "nnet_utils"


class RfConfigTemplate(LayerConfigTemplate):  # type: ignore[misc]
    """The C++ structure of a layer's constants and table types."""

    def __init__(self) -> None:
        super().__init__(LAYERS)
        self.name = "recfabric_config_template"

    def format(self, node: RfLayer) -> str:
        """The text of ``parameters.h`` for one layer."""
        cls = _class_of(node)
        lines = [f"struct config{node.index} : nnet::{cls.call.removesuffix('_layer')}_config {{"]
        for name in cls.constants:
            value = node.get_attr(name)
            kind = "bool" if isinstance(value, bool) else "unsigned"
            lines.append(f"    static const {kind} {name} = {str(value).lower()};")
        for name in cls.tables:
            lines.append(f"    typedef {node.get_weights(name).type.name} {name}_t;")
        return "\n".join([*lines, "};\n"])


class RfFunctionTemplate(FunctionCallTemplate):  # type: ignore[misc]
    """The call of a layer's C++ function: inputs, output, tables."""

    def __init__(self) -> None:
        super().__init__(LAYERS, include_header=["nnet_utils/rf_common.h"])
        self.name = "recfabric_function_template"

    def transform(self, model: ModelGraph, node: RfLayer) -> bool:
        """Give the layer its call and its header."""
        super().transform(model, node)
        node.set_attr("include_header", [f"nnet_utils/{_class_of(node).header}"])
        return False

    def format(self, node: RfLayer) -> str:
        """The text in the top function for one layer."""
        cls = _class_of(node)
        inputs = [node.get_input_variable(name) for name in node.inputs]
        output = node.get_output_variable()
        types = [v.type.name for v in (*inputs, output)]
        names = [v.name for v in (*inputs, output)]
        names += [node.get_weights(name).name for name in cls.tables]
        return f"nnet::{cls.call}<{', '.join(types)}, config{node.index}>({', '.join(names)});"


def _class_of(node: RfLayer) -> type[RfLayer]:
    """A layer's class without what the backend wrapped around it."""
    return next(cls for cls in LAYERS if isinstance(node, cls))


def register(backend: str = "Vitis") -> None:
    """Make the layers known to hls4ml and to one of its backends; twice does no harm."""
    target = get_backend(backend)
    for header in HEADERS.glob("rf_*.h"):
        target.register_source(header)
    if getattr(target, "_recfabric", False):
        return
    for cls in LAYERS:
        if cls.__name__ not in layer_map:
            register_layer(cls.__name__, cls)
    target.register_template(RfConfigTemplate)
    target.register_template(RfFunctionTemplate)
    target.register_pass("recfabric_interfaces", RfInterfaces, flow=f"{backend.lower()}:write")
    target._recfabric = True
