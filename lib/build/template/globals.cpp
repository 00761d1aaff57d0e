#include "build/template/globals.hpp"

#include "build/template/arguments.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>
#include <memory>

namespace cooper::build::jinja {

namespace {

using Call = Value (*)(Renderer&, Arguments&);

Value range(Renderer& renderer, Arguments& given) {
    if (given.positional.empty() || given.positional.size() > 3 || !given.named.empty()) {
        throw Failure{"range() takes one to three ints: range(stop), range(start, stop, step)"};
    }
    const bool has_start = given.positional.size() > 1;
    Arguments ordered;
    if (!has_start) {
        ordered.positional.emplace_back(std::int64_t{0});
    }
    ordered.positional.insert(ordered.positional.end(), given.positional.begin(), given.positional.end());
    const Bound bound(ordered, "range()", {"start", "stop", "step"}, 2);
    return make_range(renderer.budget(), bound.integer(0), bound.integer(1), bound.integer(2, 1));
}

/// The entries of dict(other, name=value): a dict, or pairs.
std::vector<std::pair<Value, Value>> entries(Renderer& renderer, Arguments& given, std::string_view who) {
    if (given.positional.size() > 1) {
        throw Failure{std::string(who) + " takes one dict, and values by name"};
    }
    std::vector<std::pair<Value, Value>> result;
    if (!given.positional.empty() && given.positional.front().is(Kind::Dict)) {
        result = given.positional.front().dict().entries;
    } else if (!given.positional.empty()) {
        for (const Value& pair : renderer.list(given.positional.front())) {
            std::vector<Value> both = renderer.list(pair);
            if (both.size() != 2) {
                throw Failure{std::string(who) + ": found " + std::to_string(both.size()) +
                              " values, expected a key and its value"};
            }
            result.emplace_back(std::move(both[0]), std::move(both[1]));
        }
    }
    for (auto& [name, value] : given.named) {
        result.emplace_back(renderer.text(name), std::move(value));
    }
    return result;
}

Value dict(Renderer& renderer, Arguments& given) {
    return make_dict(renderer.budget(), entries(renderer, given, "dict()"));
}

Value name_space(Renderer& renderer, Arguments& given) {
    auto made = make_object<Namespace>(renderer.budget(), 0, Inside());
    for (const auto& [name, value] : entries(renderer, given, "namespace()")) {
        if (!name.is_text()) {
            throw Failure{"namespace(): names are texts"};
        }
        made->set(name.text(), value);
    }
    renderer.keep(made);
    return {Kind::Namespace, std::move(made)};
}

Value cycler(Renderer& renderer, Arguments& given) {
    if (given.positional.empty() || !given.named.empty()) {
        throw Failure{"cycler() needs the values to go through"};
    }
    const Value values = make_tuple(renderer.budget(), std::move(given.positional));
    auto made = make_object<Cycler>(renderer.budget(), 0, Inside(values));
    made->values = values;
    return {Kind::Cycler, std::move(made)};
}

/// Nothing the first time, the separator then.
Value joiner(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "joiner()", {"sep"});
    const Value separator = bound.get(0, renderer.text(", "));
    const auto used = std::make_shared<bool>(false);
    return make_function(renderer.budget(), "joiner", Inside(separator), [separator, used](Renderer& with, Arguments&) {
        return std::exchange(*used, true) ? separator : with.text("");
    });
}

Value lipsum(Renderer&, Arguments&) {
    throw Failure{"lipsum() is not supported: it is random"};
}

constexpr std::pair<std::string_view, Call> kGlobals[] = {{"cycler", cycler},        {"dict", dict},
                                                          {"joiner", joiner},        {"lipsum", lipsum},
                                                          {"namespace", name_space}, {"range", range}};

const std::pair<std::string_view, Call>* find(std::string_view name) {
    const auto* const found =
        std::find_if(std::begin(kGlobals), std::end(kGlobals), [&](const auto& entry) { return entry.first == name; });
    return found == std::end(kGlobals) ? nullptr : found;
}

}  // namespace

bool is_global(std::string_view name) {
    return find(name) != nullptr;
}

Value global(std::string_view name, Budget* budget) {
    const auto* const found = find(name);
    return found == nullptr ? Value() : make_function(budget, std::string(name), Inside(), found->second);
}

}  // namespace cooper::build::jinja
