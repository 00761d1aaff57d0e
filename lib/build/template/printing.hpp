// Values as text: Python's str() and repr(), JSON, HTML.
#pragma once

#include "build/template/value.hpp"

#include <string>
#include <string_view>

namespace cooper::build::jinja {

/// repr() of a float: the shortest digits that give it back.
std::string float_text(double value);
/// repr() of a text, without Markup's name.
void append_quoted(TextBuilder& to, std::string_view text);
/// repr(). Throws Failure for what Python shows with its address in memory.
void append_repr(TextBuilder& to, const Value& value);
/// json.dumps(sort_keys=True, indent=indent), with what HTML must not see escaped; no indent below 0.
void append_json(TextBuilder& to, const Value& value, std::int64_t indent);
/// markupsafe.escape of a plain text.
void append_escaped(TextBuilder& to, std::string_view text);

}  // namespace cooper::build::jinja
