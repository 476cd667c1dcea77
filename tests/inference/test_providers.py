import pytest
from structlog.testing import capture_logs

from app.errors import ProviderUnavailableError, SetupError
from app.inference.gpu import Gpu, GpuProbe, probe_gpus
from app.inference.providers import CPU, CUDA, assert_provider, choose_provider
from app.inference.runtime import onnxruntime

CPU_BUILD = ["AzureExecutionProvider", CPU]
GPU_BUILD = ["TensorrtExecutionProvider", CUDA, CPU]
GOOD_GPU = GpuProbe((Gpu("NVIDIA H100", (9, 0)),), (13, 0))
OLD_DRIVER = GpuProbe((Gpu("NVIDIA H100", (9, 0)),), (12, 8))
OLD_GPU = GpuProbe((Gpu("Tesla P100", (6, 0)),), (13, 0))
OTHER_GPU = GpuProbe((Gpu("NVIDIA B200", (10, 0)),), (13, 0))
BROKEN = GpuProbe(problem="the NVIDIA driver does not start (cuInit gives error 803)")
NONE = GpuProbe()


@pytest.mark.parametrize(
    ("device", "available", "probe", "name"),
    [
        ("cpu", CPU_BUILD, NONE, CPU),
        ("cpu", GPU_BUILD, GOOD_GPU, CPU),
        ("auto", CPU_BUILD, GOOD_GPU, CPU),
        ("auto", GPU_BUILD, NONE, CPU),
        ("auto", GPU_BUILD, GOOD_GPU, CUDA),
        ("cuda", GPU_BUILD, GOOD_GPU, CUDA),
    ],
)
def test_the_provider_that_fits(device: str, available: list[str], probe: GpuProbe, name: str) -> None:
    assert choose_provider(device, available, probe).name == name


def test_a_gpu_that_the_cpu_build_leaves_idle_is_logged() -> None:
    with capture_logs() as logs:
        choose_provider("cpu", CPU_BUILD, GOOD_GPU)
        choose_provider("auto", CPU_BUILD, NONE)
        assert logs == []
        choose_provider("auto", CPU_BUILD, GOOD_GPU)
    assert [(said["event"], said["gpu"]) for said in logs] == [("gpu.unused", "NVIDIA H100")]


def test_the_gpu_build_without_a_gpu_is_logged() -> None:
    with capture_logs() as logs:
        choose_provider("cpu", GPU_BUILD, NONE)
        assert logs == []
        choose_provider("auto", GPU_BUILD, NONE)
    assert [said["event"] for said in logs] == ["gpu.absent"] and "no GPU is visible" in logs[0]["reason"]


@pytest.mark.parametrize(
    ("device", "available", "probe", "told"),
    [
        ("cuda", CPU_BUILD, GOOD_GPU, "extra `gpu`"),
        ("cuda", GPU_BUILD, NONE, "no GPU is visible"),
        ("cuda", GPU_BUILD, OLD_DRIVER, "CUDA up to 12.8"),
        ("auto", GPU_BUILD, OLD_DRIVER, "driver 580"),
        ("auto", GPU_BUILD, OLD_GPU, "compute capability 6.0"),
        ("auto", GPU_BUILD, OTHER_GPU, "compute capability 10.0"),
        ("auto", GPU_BUILD, BROKEN, "error 803"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_an_error_that_says_why(
    device: str, available: list[str], probe: GpuProbe, told: str
) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        choose_provider(device, available, probe)
    assert told in caught.value.message
    assert "driver 580" in caught.value.message


def test_another_word_is_refused() -> None:
    with pytest.raises(SetupError, match="auto, cuda or cpu"):
        choose_provider("gpu", GPU_BUILD, GOOD_GPU)


@pytest.mark.parametrize("active", [[CPU], []])
def test_a_session_that_fell_back_is_an_error(active: list[str]) -> None:
    chosen = choose_provider("auto", GPU_BUILD, GOOD_GPU)
    assert_provider(chosen, [CUDA, CPU])
    with pytest.raises(ProviderUnavailableError, match="fell back"):
        assert_provider(chosen, active)


def test_a_hidden_gpu_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert probe_gpus().gpus == ()


def test_asking_this_onnxruntime_for_what_it_lacks() -> None:
    available = onnxruntime.get_available_providers()
    if CUDA in available and probe_gpus().shortfall() is None:
        pytest.skip("CUDA works here: there is nothing to refuse")
    with pytest.raises(ProviderUnavailableError):
        choose_provider("cuda", available)
