// Python's two ways to fill in a text: "%s" % values and "{}".format(values).
#pragma once

#include "build/template/value.hpp"

namespace cooper::build::jinja {

/// `format` is a text. Throws Failure.
Value format_percent(Renderer& renderer, const Value& format, const Value& values);
/// The same without and with Markup; positions, names, conversions (!r) and specifications (:>10), no attributes.
Value format_braces(Renderer& renderer, const Value& format, Arguments& arguments);

}  // namespace cooper::build::jinja
