"""Puts ONNX graphs together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

OPSET = 18  # of the operators: one that older versions of onnxruntime know, too

Operand = str | np.ndarray | np.number | float | Sequence[int]  # the name of a value, or a constant


class Graph:
    """An ONNX graph that grows; each call adds an operator and gives the name of its value.

    ``graph("Add", "x", 1.5)`` is x + 1.5. A constant keeps the type of its array; numbers and lists of them become
    int64 or float64. ONNX never converts: both operands of an operator have one type.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def __call__(self, operator: str, *operands: Operand, outputs: int = 1, **attributes: Any) -> str:
        """Add an operator.

        Parameters
        ----------
        operator : str
            Of ONNX; https://onnx.ai/onnx/operators says what they do.
        operands : str, np.ndarray, number or sequence of int
            An empty text stands for one that is left out.
        outputs : int > 0
            How many values it gives; the first one is used.
        attributes
            Of the operator.

        Returns
        -------
        str
            The name of its first value.
        """
        names = [operand if isinstance(operand, str) else self._constant(operand) for operand in operands]
        values = [f"{operator.lower()}_{len(self._nodes)}"]
        values += [f"{values[0]}_{number}" for number in range(1, outputs)]
        self._nodes.append(helper.make_node(operator, names, values, **attributes))
        return values[0]

    def cast(self, value: str, to: type) -> str:
        """A value in another type of numpy."""
        return self("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def stacked(self, values: Sequence[str]) -> str:
        """Single numbers as a vector."""
        return self("Concat", *(self("Unsqueeze", value, [0]) for value in values), axis=0)

    def call(self, model: onnx.ModelProto, *values: str) -> str:
        """Add a model of one output.

        Parameters
        ----------
        model : onnx.ModelProto
            Its operators are of `OPSET`.
        values : str
            What it is given.

        Returns
        -------
        str
            The name of its output.
        """
        graph = compose.add_prefix(model, f"model_{len(self._nodes)}/").graph
        for value, given in zip(values, graph.input, strict=True):
            self._nodes.append(helper.make_node("Identity", [value], [given.name]))
        for node in graph.node:
            # where in which file of whose computer the operator comes from
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
        self._nodes += graph.node
        self._constants += graph.initializer
        return graph.output[0].name

    def model(self, inputs: Sequence[onnx.ValueInfoProto], outputs: dict[str, str]) -> onnx.ModelProto:
        """The graph as a model.

        Parameters
        ----------
        inputs : sequence of onnx.ValueInfoProto
        outputs : dict of str to str
            For the name of each output the value that it is: a single float64.
        """
        nodes = [*self._nodes, *(helper.make_node("Identity", [value], [name]) for name, value in outputs.items())]
        infos = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, []) for name in outputs]
        graph = helper.make_graph(nodes, "score", inputs, infos, self._constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))

    def _constant(self, value: np.ndarray | np.number | float | Sequence[int]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
