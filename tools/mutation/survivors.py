"""Why mutants survive: each is equivalent in what its module promises, or left alone for a reason."""

from collections.abc import Mapping

from tools.mutation.table import Explanation

_SPEED = "the same hashes, in chunks of another size: a matter of speed and memory, which others measure"
_ZEROS = "zeros of another type, which the cast to the schema makes the schema's"
_CUT = "Arrow cuts a timestamp to its day, whether it is asked to be safe or not"

_LOCALE = "the locale's encoding, which is UTF-8 where these tests run; a token is ASCII in any case"
_CODEC = "the same encoding by another spelling of its name"
_BASE = "nothing to begin with: all of the DSN is in the parameters"
_AUTHOR = "the author is part of the place on Windows alone"
_APART = "a row that is missing never has the time of one that is on both sides"
_FIELD = "the settings take a field's name in any case"
_UNITS = "half a unit of none to nine decimals is nowhere between 100 and 101 of an ulp, which is a power of two"
_TIES = "two doubles stand less than an ulp off the half unit that they mean: no tie is at the bound itself"
_MEMORY = "the same findings: rows that fit nothing else are gathered by diagnosis to save memory"

EXPLAINED: Mapping[str, tuple[Explanation, ...]] = {
    "digest": (
        Explanation("row_hashes", "range(0, rows.num_rows, ):", _SPEED, equivalent=False),
        Explanation("row_hashes", "→ chunk = rows.slice(begin, ", _SPEED, equivalent=False),
        Explanation("digest_days", "np.zeros(rows.num_rows, ", _ZEROS),
        Explanation("digest_days", "ts.cast(pa.date32(), ", _CUT),
    ),
    "patterns": (
        Explanation("_lost", "<= kept.first", _APART),
        Explanation("_lost", ">= kept.last", _APART),
        Explanation("_shifted_times", "offsets.most_common(", "the first of more is the first"),
        Explanation("_is_to_decimals", "101 * ulp < half", _UNITS),
        Explanation("_is_to_decimals", "100 * ulp <= half", _UNITS),
        Explanation("_is_to_decimals", "< half + ulp", _TIES),
    ),
    "settings": (
        Explanation("load_settings", '→ merged["DATABASE_URL"]', _FIELD),
        Explanation("load_settings", '→ merged["STEP_SUMMARY"]', _FIELD),
        Explanation(
            "_layers", "or True else {}", "the settings' own reader takes a file that is not there for empty"
        ),
        Explanation("_complaints", "error.errors(", "only message and place are read of what pydantic tells"),
        Explanation(
            "_complaints", "→ break", "what is said of all settings together is never said beside another"
        ),
        Explanation(
            "_complaints", "sources.get(name, ", "a default is never refused, so the source is always known"
        ),
        Explanation(
            "_stack_complaints",
            '{"core_image", "base_image"} < given',
            "`stack` itself is given, or there would be no stack of containers",
        ),
        Explanation("_conninfo", 'make_conninfo("", **parameters)', _BASE),
        Explanation("cache_directory", "appauthor=False", _AUTHOR),
        Explanation(
            "_warnings",
            'else "XXXX"',
            "read only when a DSN was given on the command line, and then it is not the empty one",
        ),
        Explanation("read_token", "→ lines = path.read_text(encoding=None)", _LOCALE, equivalent=False),
        Explanation("read_token", "UTF-8", _CODEC),
        Explanation("read_setup_config", "path.read_text(encoding=None)", _LOCALE, equivalent=False),
        Explanation("read_setup_config", "UTF-8", _CODEC),
    ),
    "triage": (
        Explanation(
            "_Tally.add",
            'detail: str = "XXXX"',
            "the default is that of rows which are no fault: their findings tell no detail",
        ),
        Explanation("RowTriage.add", "(told.alike) or True", _MEMORY, equivalent=False),
    ),
}
