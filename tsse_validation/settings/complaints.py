"""What does not fit together in the settings of a run."""

from collections.abc import Iterator

from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.fields import StackKind
from tsse_validation.settings.places import places_in_the_lake

_IMAGES = ("postgres_image", "qdrant_image", "core_image", "base_image")


def run_complaints(settings: Settings) -> Iterator[str]:
    """Tell what does not fit together for a run: a live controller and a stack of our own exclude each other."""
    yield from _stack_complaints(settings)
    if settings.window_start is not None and settings.window_start == settings.window_end:
        yield "--window-end must be after --window-start: the parity job takes no single microsecond"
    if not settings.live:
        if settings.hot_path or settings.cold_path or settings.auth_token or settings.auth_token_file:
            yield "--auth-token-file, --hot-path and --cold-path belong to a live controller: add its --base-url"
        return
    if settings.core_binary:
        yield "--core-binary belongs to the embedded stack, which --base-url turns off"
    places = {name: getattr(settings, name) for name in ("report_dir", "resume", "step_summary")}
    yield from places_in_the_lake(settings, {option_of(name): place for name, place in places.items()})
    if not (settings.auth_token or settings.auth_token_file):
        yield "a live controller (--base-url) needs --auth-token-file (or TSSE_AUTH_TOKEN)"


def _stack_complaints(settings: Settings) -> Iterator[str]:
    """Tell what the chosen stack would pass over: who names an image must not get another one without a word."""
    given = settings.model_fields_set
    images = [option_of(name) for name in _IMAGES if name in given]
    if settings.stack is not StackKind.CONTAINERS:
        if images:
            yield f"{', '.join(images)}: an image belongs to --stack containers, which is not asked for"
        return
    if settings.live:
        yield "--stack containers is a stack of our own, which --base-url turns off"
        return
    others = [name for name in ("core_binary", "database_url", "setup_config", "qdrant_url") if name in given]
    if others:
        named = ", ".join(map(option_of, others))
        yield f"{named}: a stack of containers brings its own; name an image instead (--core-image, …)"
    if {"core_image", "base_image"} <= given:
        yield "--base-image is what the reference controller is built upon, which --core-image replaces"
