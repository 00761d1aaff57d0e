#include "build/template/filters.hpp"

#include "build/template/filter_kinds.hpp"
#include "build/template/nearest.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build::jinja {

namespace {

constexpr FilterEntry kFilters[] = {{"abs", filters::absolute},
                                    {"attr", filters::attribute},
                                    {"batch", filters::batch},
                                    {"capitalize", filters::capitalize},
                                    {"center", filters::center},
                                    {"count", filters::length},
                                    {"d", filters::default_to},
                                    {"default", filters::default_to},
                                    {"dictsort", filters::dictsort},
                                    {"e", filters::escape},
                                    {"escape", filters::escape},
                                    {"filesizeformat", filters::filesizeformat},
                                    {"first", filters::first},
                                    {"float", filters::to_float},
                                    {"forceescape", filters::force_escape},
                                    {"format", filters::format},
                                    {"groupby", filters::groupby},
                                    {"indent", filters::indent},
                                    {"int", filters::to_int},
                                    {"items", filters::items},
                                    {"join", filters::join},
                                    {"last", filters::last},
                                    {"length", filters::length},
                                    {"list", filters::list},
                                    {"lower", filters::lower},
                                    {"map", filters::map},
                                    {"max", filters::max},
                                    {"min", filters::min},
                                    {"reject", filters::reject},
                                    {"rejectattr", filters::rejectattr},
                                    {"replace", filters::replace},
                                    {"reverse", filters::reverse},
                                    {"round", filters::round},
                                    {"safe", filters::safe},
                                    {"select", filters::select},
                                    {"selectattr", filters::selectattr},
                                    {"slice", filters::slice},
                                    {"sort", filters::sort},
                                    {"string", filters::string},
                                    {"sum", filters::sum},
                                    {"title", filters::title},
                                    {"tojson", filters::tojson},
                                    {"trim", filters::trim},
                                    {"truncate", filters::truncate},
                                    {"unique", filters::unique},
                                    {"upper", filters::upper},
                                    {"urlencode", filters::urlencode},
                                    {"wordcount", filters::wordcount}};

constexpr std::string_view kUnsupported[] = {"pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"};

}  // namespace

const FilterEntry* find_filter(std::string_view name) {
    const auto* const found =
        std::lower_bound(std::begin(kFilters), std::end(kFilters), name,
                         [](const FilterEntry& entry, std::string_view wanted) { return entry.name < wanted; });
    return found != std::end(kFilters) && found->name == name ? found : nullptr;
}

Failure unknown_filter(std::string_view name) {
    const std::string quoted = "\"" + oci::printable(name, 60) + "\"";
    if (std::find(std::begin(kUnsupported), std::end(kUnsupported), name) != std::end(kUnsupported)) {
        return {"the filter " + quoted + " is not supported"};
    }
    std::array<std::string_view, std::size(kFilters)> names;
    std::transform(std::begin(kFilters), std::end(kFilters), names.begin(),
                   [](const auto& entry) { return entry.name; });
    return {"no filter is called " + quoted + did_you_mean(name, names)};
}

}  // namespace cooper::build::jinja
