from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from demos import captioning
from hub.demo import Demo
from hub.exchange import current
from hub.inputs import SentFile
from hub.page import build
from hub.runtime import Hub
from hub.settings import Settings
from hub.ui import tab


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(Settings(models="embedded", temp_dir=tmp_path, warm=False))


def page(hub: Hub, *, receives: tuple[str, ...]) -> gr.Blocks:
    """Draw a page of two demos: the first makes a cloud, the second takes what `receives` names."""

    def draw_maker(hub: Hub) -> None:
        with tab(hub, maker) as drawn:
            drawn.offer("ply", gr.File(visible=False))

    def draw_taker(hub: Hub) -> None:
        with tab(hub, taker) as drawn:
            for kind in receives:
                drawn.receive(kind, gr.File(label="Cloud"))

    maker: Demo = replace(captioning.DEMO, slug="maker", title="Maker", build=draw_maker)
    taker: Demo = replace(captioning.DEMO, slug="taker", title="Taker", build=draw_taker, receives=receives)
    return build(hub, (maker, taker))


def buttons(page: gr.Blocks) -> list[str]:
    return [block.value for block in page.blocks.values() if isinstance(block, gr.Button) and "Send" in block.value]


def handing_over(page: gr.Blocks) -> Any:
    (event,) = [event for event in page.fns.values() if event.name == "hand_over"]
    return event


def test_a_demo_that_receives_the_kind_gets_a_button_in_the_one_that_offers_it(hub: Hub) -> None:
    drawn = page(hub, receives=("ply",))
    assert buttons(drawn) == ["Send to Taker"]
    event = handing_over(drawn)
    assert event.outputs[0].label == "Cloud"
    file, tabs, _ = event.fn("cloud.ply")
    assert (file, tabs.selected) == ("cloud.ply", "taker")
    assert event.fn((SentFile(Path("/uploads/a.ply"), "a.ply"),))[0] == "/uploads/a.ply"


def test_every_arrival_is_an_event_of_its_own_that_the_receiver_can_run_on(hub: Hub) -> None:
    event = handing_over(page(hub, receives=("ply",)))
    arrived = event.outputs[2]
    assert isinstance(arrived, gr.State)
    numbers = [arrived.value, *(event.fn("cloud.ply")[2] for _ in range(3))]
    assert len(set(numbers)) == 4


def test_nothing_to_send_is_said(hub: Hub) -> None:
    with pytest.raises(gr.Error, match="run the demo first"):
        handing_over(page(hub, receives=("ply",))).fn(None)


def test_without_a_receiver_there_is_no_button(hub: Hub) -> None:
    assert buttons(page(hub, receives=())) == []
    assert buttons(page(hub, receives=("picture",))) == []


def test_a_tab_drawn_alone_offers_nothing(hub: Hub) -> None:
    with gr.Blocks() as drawn, tab(hub, captioning.DEMO) as alone:
        alone.offer("ply", gr.File())
    assert buttons(drawn) == []
    assert current().demos == ()
