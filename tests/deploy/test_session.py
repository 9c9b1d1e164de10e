"""A network in the runtime reads no other file, and what it cannot run is told in a line."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tsprune.deploy.session import Session
from tsprune.errors import UserError


def network(operator="Add", domain="", location=None):
    """forecast = values + weight, (2,); the weight in a file beside it if ``location`` names one."""
    weight = helper.make_tensor("weight", TensorProto.DOUBLE, [2], [1.0, 2.0])
    if location:
        weight = TensorProto(name="weight", data_type=TensorProto.DOUBLE, dims=[2], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=str(location))
    ends = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [2]) for name in ("values", "forecast"))
    node = helper.make_node(operator, ["values", "weight"], ["forecast"], domain=domain)
    graph = helper.make_graph([node], "sum", [next(ends)], [next(ends)], [weight])
    versions = [helper.make_opsetid("", 20), helper.make_opsetid("other", 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=10).SerializeToString()


def test_a_network_is_run_by_the_names_of_its_inputs():
    session = Session(network(), "sum.onnx")
    assert session.run({"values": np.array([3.0, 4.0])}).tolist() == [4.0, 6.0]
    with pytest.raises(UserError, match=r"^sum\.onnx: ONNX Runtime cannot run it: .*other"):
        session.run({"other": np.zeros(2)})


def test_an_output_that_is_no_array_is_told():
    given = helper.make_tensor_value_info("values", TensorProto.DOUBLE, [2])
    found = helper.make_tensor_sequence_value_info("forecast", TensorProto.DOUBLE, None)
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["values"], ["forecast"])], "x", [given], [found])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with pytest.raises(UserError, match=r"^x\.onnx: its output 'forecast' is not an array of numbers$"):
        Session(model.SerializeToString(), "x.onnx").run({"values": np.zeros(2)})


def test_weights_in_another_file_are_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(np.array([5.0, 6.0]).tobytes())
    for location in ("secret", f"../{tmp_path.name}/secret", tmp_path / "secret"):
        with pytest.raises(UserError, match="cannot run it"):
            Session(network(location=location), "x.onnx")


def test_an_operator_that_the_runtime_does_not_have_is_told(capfd):
    with pytest.raises(UserError, match=r"^x\.onnx: ONNX Runtime cannot run it: .*Guess") as error:
        Session(network("Guess", "other"), "x.onnx")
    assert "\n" not in str(error.value) and capfd.readouterr() == ("", "")


def test_a_sum_and_its_norm_are_computed_as_the_file_has_them():
    """Fused they take longer on a CPU, and round otherwise."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 64, 256]) for name in ("values", "forecast")]
    nodes = [
        helper.make_node("Mul", ["values", "values"], ["squares"]),
        helper.make_node("Add", ["values", "squares"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "scale"], ["forecast"]),
    ]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [256], np.linspace(0.5, 2, 256, dtype=np.float32))
    graph = helper.make_graph(nodes, "norm", ends[:1], ends[1:], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    given = {"values": np.random.default_rng(0).normal(size=(2, 64, 256)).astype(np.float32)}
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    as_is, fused = (onnxruntime.InferenceSession(model, options) for options in (plain, None))
    found = Session(model, "norm.onnx").run(given)
    assert np.array_equal(found, as_is.run(None, given)[0]) and not np.array_equal(found, fused.run(None, given)[0])
