#include "cooper/base/text.hpp"

#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/filter_kinds.hpp"
#include "build/template/filters.hpp"
#include "build/template/renderer.hpp"
#include "build/template/tests.hpp"

#include <algorithm>
#include <memory>

namespace cooper::build::jinja::filters {

namespace {

Inside inside_of(const Arguments& given) {
    Inside inside(given.positional);
    for (const auto& [name, value] : given.named) {
        inside.add(value);
    }
    return inside;
}

/// A generator over the first argument. `begin` looks at the others when the first item is asked for, and gives what is
/// asked then; nothing at all for a value that is not true.
Value lazily(Renderer& renderer, Arguments& given, Next (*begin)(Renderer&, Arguments&)) {
    struct State {
        Arguments given;
        Next next;
    };
    const Inside inside = inside_of(given);
    auto state = std::make_shared<State>(State{std::move(given), {}});
    return make_generator(renderer.budget(), inside, [&renderer, state, begin](Value& item) {
        if (!state->next) {
            state->next = begin(renderer, state->given);
        }
        renderer.budget()->step();
        return state->next(item);
    });
}

bool nothing(Value&) {
    return false;
}

/// Those of the items whose test says `wanted`; `by_attribute` tests an attribute of each.
Next choose(Renderer& renderer, Arguments& given, bool wanted, bool by_attribute) {
    if (!renderer.truth(given.positional.front())) {
        return nothing;
    }
    const Next next = renderer.iterate(given.positional.front());
    std::vector<Value> rest(given.positional.begin() + 1, given.positional.end());
    AttributePath path;
    if (by_attribute) {
        if (rest.empty()) {
            throw Failure{"selectattr and rejectattr need the name of an attribute"};
        }
        path = AttributePath(renderer, rest.front());
        rest.erase(rest.begin());
    }
    const TestEntry* test = nullptr;
    if (!rest.empty()) {
        const std::string name = rest.front().is_text() ? rest.front().text() : "";
        test = find_test(name);
        if (test == nullptr) {
            throw unknown_test(name);
        }
        rest.erase(rest.begin());
    }
    return [&renderer, next, rest, path, test, wanted, named = given.named](Value& item) {
        while (next(item)) {
            renderer.budget()->step();
            const Value looked_at = path.find(renderer, item);
            bool holds = false;
            if (test == nullptr) {
                holds = renderer.truth(looked_at);
            } else {
                Arguments arguments{{looked_at}, named};
                arguments.positional.insert(arguments.positional.end(), rest.begin(), rest.end());
                holds = test->holds(renderer, arguments);
            }
            if (holds == wanted) {
                return true;
            }
        }
        return false;
    };
}

Next map_attribute(Renderer& renderer, Arguments& given) {
    Value path;
    Value otherwise;
    for (const auto& [name, value] : given.named) {
        if (name != "attribute" && name != "default") {
            throw Failure{"map has no argument \"" + name + "\""};
        }
        (name == "attribute" ? path : otherwise) = value;
    }
    return [&renderer, next = renderer.iterate(given.positional.front()), path = AttributePath(renderer, path),
            otherwise](Value& item) {
        if (!next(item)) {
            return false;
        }
        item = path.find(renderer, item, otherwise);
        return true;
    };
}

Next begin_map(Renderer& renderer, Arguments& given) {
    if (!renderer.truth(given.positional.front())) {
        return nothing;
    }
    const bool by_attribute =
        given.positional.size() == 1 &&
        std::any_of(given.named.begin(), given.named.end(), [](const auto& each) { return each.first == "attribute"; });
    if (by_attribute) {
        return map_attribute(renderer, given);
    }
    if (given.positional.size() < 2) {
        throw Failure{"map needs the name of a filter, or attribute=NAME"};
    }
    const std::string name = given.positional[1].is_text() ? given.positional[1].text() : "";
    const FilterEntry* const filter = find_filter(name);
    if (filter == nullptr) {
        throw unknown_filter(name);
    }
    return [&renderer, next = renderer.iterate(given.positional.front()), filter, named = given.named,
            rest = std::vector<Value>(given.positional.begin() + 2, given.positional.end())](Value& item) {
        if (!next(item)) {
            return false;
        }
        Arguments arguments{{item}, named};
        arguments.positional.insert(arguments.positional.end(), rest.begin(), rest.end());
        item = filter->apply(renderer, arguments);
        return true;
    };
}

Next begin_batch(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "batch", {"value", "linecount", "fill_with"}, 2);
    const std::int64_t size = bound.integer(1);
    const Value fill = bound.is_set(2) ? bound[2] : Value();
    // One item is read ahead, as it is where a full batch is given away.
    return [&renderer, next = renderer.iterate(bound[0]), size, fill, ahead = Value()](Value& item) mutable {
        std::vector<Value> row;
        if (!ahead.missing()) {
            row.push_back(std::exchange(ahead, Value()));
        }
        for (Value each; next(each);) {
            renderer.budget()->step();
            if (static_cast<std::int64_t>(row.size()) == size) {
                ahead = std::move(each);
                item = make_list(renderer.budget(), std::move(row));
                return true;
            }
            row.push_back(std::move(each));
        }
        if (row.empty()) {
            return false;
        }
        if (!fill.missing() && static_cast<std::int64_t>(row.size()) < size) {
            const auto wanted = static_cast<std::size_t>(size);
            renderer.budget()->expect(wanted > kMaxMemory / sizeof(Value) ? kMaxMemory + 1 : wanted * sizeof(Value));
            row.resize(wanted, fill);
        }
        item = make_list(renderer.budget(), std::move(row));
        return true;
    };
}

/// `slices` lists, the first ones longer by one item where they do not come out even.
Next begin_slice(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "slice", {"value", "slices", "fill_with"}, 2);
    const Value all = make_list(renderer.budget(), renderer.list(bound[0]));
    const std::int64_t slices = bound.integer(1);
    if (slices == 0) {
        throw Failure{"slice: \"slices\" must not be zero"};
    }
    const Value fill = bound.is_set(2) ? bound[2] : Value();
    return [&renderer, all, slices, fill, number = std::int64_t{0}, at = std::size_t{0}](Value& item) mutable {
        if (number >= slices) {
            return false;
        }
        const auto count = static_cast<std::int64_t>(all.items().size());
        const bool longer = number < count % slices;
        const auto size = static_cast<std::size_t>(count / slices + (longer ? 1 : 0));
        const auto begin = all.items().begin() + static_cast<std::ptrdiff_t>(at);
        std::vector<Value> part(begin, begin + static_cast<std::ptrdiff_t>(size));
        if (!fill.missing() && !longer) {
            part.push_back(fill);
        }
        at += size;
        ++number;
        item = make_list(renderer.budget(), std::move(part));
        return true;
    };
}

Next begin_items(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "items", {"value"}, 1);
    if (bound[0].is(Kind::Undefined)) {
        return nothing;
    }
    if (!bound[0].is(Kind::Dict)) {
        throw Failure{"items: found a " + std::string(type_name(bound[0])) + ", expected a dict"};
    }
    Arguments none;
    return renderer.iterate(renderer.call(renderer.attribute(bound[0], "items"), none));
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

AttributePath::AttributePath(Renderer& renderer, const Value& path) {
    if (path.missing() || path.is(Kind::None)) {
        return;
    }
    if (!path.is_text()) {
        parts_.push_back(path);
        return;
    }
    for (const std::string_view part : split(path.text(), '.')) {
        constexpr std::size_t kLongestIndex = 18;
        if (is_digits(part) && part.size() <= kLongestIndex) {
            parts_.emplace_back(static_cast<std::int64_t>(std::stoll(std::string(part))));
        } else {
            parts_.push_back(renderer.text(std::string(part)));
        }
    }
}

Value AttributePath::find(Renderer& renderer, Value in, const Value& otherwise) const {
    for (const Value& part : parts_) {
        in = renderer.item(in, part);
        if (in.is(Kind::Undefined) && !otherwise.missing() && !otherwise.is(Kind::None)) {
            in = otherwise;
        }
    }
    return in;
}

Value map(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, begin_map);
}

Value select(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, [](Renderer& with, Arguments& all) { return choose(with, all, true, false); });
}

Value reject(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, [](Renderer& with, Arguments& all) { return choose(with, all, false, false); });
}

Value selectattr(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, [](Renderer& with, Arguments& all) { return choose(with, all, true, true); });
}

Value rejectattr(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, [](Renderer& with, Arguments& all) { return choose(with, all, false, true); });
}

Value batch(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, begin_batch);
}

Value slice(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, begin_slice);
}

Value items(Renderer& renderer, Arguments& given) {
    return lazily(renderer, given, begin_items);
}

Value first(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "first", {"seq"}, 1);
    Value item;
    const Next next = renderer.iterate(bound[0]);
    return next(item) ? item : renderer.undefined("there is no first item: nothing was there");
}

Value last(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "last", {"seq"}, 1);
    if (bound[0].is(Kind::Generator)) {
        throw Failure{"last: what a filter like map or select gives has no end to look at", "put | list before it"};
    }
    if (bound[0].is_text() && !bound[0].text().empty()) {
        return renderer.item(bound[0], std::int64_t{-1});
    }
    std::vector<Value> all = renderer.list(bound[0]);
    return all.empty() ? renderer.undefined("there is no last item: nothing was there") : all.back();
}

Value join(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "join", {"value", "d", "attribute"}, 1);
    const std::string separator = bound.has(1) ? renderer.printed(bound[1]) : "";
    const AttributePath path(renderer, bound.get(2, Value::none()));
    TextBuilder out(renderer.budget());
    const Next next = renderer.iterate(bound[0]);
    bool is_first = true;
    for (Value item; next(item);) {
        renderer.budget()->step();
        out += std::exchange(is_first, false) ? "" : separator;
        renderer.print(path.find(renderer, std::move(item)), out);
    }
    return make_text(out);
}

Value list(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "list", {"value"}, 1);
    return make_list(renderer.budget(), renderer.list(bound[0]));
}

Value reverse(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "reverse", {"value"}, 1);
    const Value& value = bound[0];
    if (value.is_text()) {
        return renderer.slice(value, Value::none(), Value::none(), std::int64_t{-1});
    }
    std::vector<Value> all = renderer.list(value);
    std::reverse(all.begin(), all.end());
    Value reversed = make_list(renderer.budget(), std::move(all));
    if (value.is(Kind::Generator)) {
        return reversed;
    }
    return make_generator(renderer.budget(), Inside(reversed), renderer.iterate(reversed));
}

Value sum(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "sum", {"iterable", "attribute", "start"}, 1);
    const AttributePath path(renderer, bound.get(1, Value::none()));
    Value total = bound.get(2, std::int64_t{0});
    if (total.is_text()) {
        throw Failure{"sum: \"start\" is a text", "join puts texts together"};
    }
    const Next next = renderer.iterate(bound[0]);
    for (Value item; next(item);) {
        renderer.budget()->step();
        total = renderer.binary(Operator::Add, total, path.find(renderer, std::move(item)));
    }
    return total;
}

}  // namespace cooper::build::jinja::filters
