// The filters, by what they work on. `arguments.positional` begins with the value.
#pragma once

#include "build/template/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja::filters {

// of texts
Value capitalize(Renderer&, Arguments&);
Value center(Renderer&, Arguments&);
Value escape(Renderer&, Arguments&);
Value force_escape(Renderer&, Arguments&);
Value format(Renderer&, Arguments&);
Value indent(Renderer&, Arguments&);
Value lower(Renderer&, Arguments&);
Value replace(Renderer&, Arguments&);
Value safe(Renderer&, Arguments&);
Value string(Renderer&, Arguments&);
Value title(Renderer&, Arguments&);
Value tojson(Renderer&, Arguments&);
Value trim(Renderer&, Arguments&);
Value truncate(Renderer&, Arguments&);
Value upper(Renderer&, Arguments&);
Value urlencode(Renderer&, Arguments&);
Value wordcount(Renderer&, Arguments&);

// of numbers, and of anything
Value absolute(Renderer&, Arguments&);
Value attribute(Renderer&, Arguments&);
Value default_to(Renderer&, Arguments&);
Value filesizeformat(Renderer&, Arguments&);
Value to_float(Renderer&, Arguments&);
Value to_int(Renderer&, Arguments&);
Value length(Renderer&, Arguments&);
Value round(Renderer&, Arguments&);

// of what has items
Value batch(Renderer&, Arguments&);
Value first(Renderer&, Arguments&);
Value items(Renderer&, Arguments&);
Value join(Renderer&, Arguments&);
Value last(Renderer&, Arguments&);
Value list(Renderer&, Arguments&);
Value map(Renderer&, Arguments&);
Value reject(Renderer&, Arguments&);
Value rejectattr(Renderer&, Arguments&);
Value reverse(Renderer&, Arguments&);
Value select(Renderer&, Arguments&);
Value selectattr(Renderer&, Arguments&);
Value slice(Renderer&, Arguments&);
Value sum(Renderer&, Arguments&);

// that put in order
Value dictsort(Renderer&, Arguments&);
Value groupby(Renderer&, Arguments&);
Value max(Renderer&, Arguments&);
Value min(Renderer&, Arguments&);
Value sort(Renderer&, Arguments&);
Value unique(Renderer&, Arguments&);

/// "a.0.b" as a filter's argument "attribute" has it: what is looked up in turn.
class AttributePath {
public:
    AttributePath() = default;
    /// Of a text or an int; none is the value itself. Throws Failure.
    AttributePath(Renderer& renderer, const Value& path);
    /// What is not there becomes `otherwise`, unless that is missing or none.
    [[nodiscard]] Value find(Renderer& renderer, Value in, const Value& otherwise = Value()) const;

private:
    std::vector<Value> parts_;
};

}  // namespace cooper::build::jinja::filters
