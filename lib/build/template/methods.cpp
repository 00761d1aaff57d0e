#include "build/template/methods.hpp"

#include "build/template/arguments.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

bool contains(std::initializer_list<std::string_view> words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

[[noreturn]] void unsupported(const Value& of, const std::string& name, const char* advice = "") {
    throw Failure{"\"" + name + "\" of a " + std::string(type_name(of)) + " is not supported", advice};
}

// -- dicts

Value view_of(Renderer& renderer, const Value& dict, View::Of of) {
    auto view = make_object<View>(renderer.budget(), sizeof(Value), Inside(dict));
    view->dict = dict;
    view->of = of;
    return {Kind::View, std::move(view)};
}

Value dict_attribute(Renderer& renderer, const Value& dict, const std::string& name) {
    const auto method = [&](auto body) {
        return make_function(renderer.budget(), name, Inside(dict), std::move(body));
    };
    const auto viewing = [&](View::Of of) {
        return method([dict, of](Renderer& with, Arguments& given) {
            const Bound none(given, "the method", {});
            return view_of(with, dict, of);
        });
    };
    if (name == "items") {
        return viewing(View::Of::Items);
    }
    if (name == "keys") {
        return viewing(View::Of::Keys);
    }
    if (name == "values") {
        return viewing(View::Of::Values);
    }
    if (name == "copy") {
        return method([dict](Renderer&, Arguments&) { return dict; });
    }
    if (name == "get") {
        return method([dict](Renderer& with, Arguments& given) {
            const Bound bound(given, "get()", {"key", "default"}, 1);
            with.budget()->step(bound[0].weight() / 16);
            const Value* const found = dict.dict().find(bound[0]);
            return found == nullptr ? bound.get(1, Value::none()) : *found;
        });
    }
    if (contains({"clear", "fromkeys", "pop", "popitem", "setdefault", "update"}, name)) {
        unsupported(dict, name,
                    "dicts do not change here; a namespace() does, and dict(old, key=value) makes a new one");
    }
    return {};
}

// -- lists, tuples, ranges

Value position(Renderer& renderer, const Value& in, const Value& value) {
    const Next next = renderer.iterate(in);
    std::int64_t index = 0;
    for (Value item; next(item); ++index) {
        renderer.budget()->step();
        if (renderer.equals(item, value)) {
            return index;
        }
    }
    throw Failure{"index(): the value is not in the " + std::string(type_name(in))};
}

Value occurrences(Renderer& renderer, const Value& in, const Value& value) {
    const Next next = renderer.iterate(in);
    std::int64_t count = 0;
    for (Value item; next(item);) {
        renderer.budget()->step();
        count += renderer.equals(item, value) ? 1 : 0;
    }
    return count;
}

Value sequence_attribute(Renderer& renderer, const Value& of, const std::string& name) {
    if (of.is(Kind::Tuple) && of.as<Sequence>().group && (name == "grouper" || name == "list")) {
        return of.items()[name == "grouper" ? 0 : 1];
    }
    if (name == "index" || name == "count") {
        const auto find = name == "index" ? position : occurrences;
        return make_function(renderer.budget(), name, Inside(of), [of, find](Renderer& with, Arguments& given) {
            const Bound bound(given, "the method", {"value"}, 1);
            return find(with, of, bound[0]);
        });
    }
    if (of.is(Kind::Range) && contains({"start", "stop", "step"}, name)) {
        const auto& range = of.as<Range>();
        return name == "start" ? range.start : name == "stop" ? range.stop : range.step;
    }
    if (of.is(Kind::List) &&
        contains({"append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort"}, name)) {
        unsupported(of, name, "lists do not change here: list + [item] makes a new one");
    }
    return {};
}

// -- loop

Value cycle(const Loop& loop, Arguments& given) {
    if (given.positional.empty() || !given.named.empty()) {
        throw Failure{"loop.cycle() needs the values to go through"};
    }
    return given.positional[static_cast<std::size_t>(loop.index0) % given.positional.size()];
}

Value changed(Renderer& renderer, const std::shared_ptr<Object>& held, Arguments& given) {
    auto& loop = static_cast<Loop&>(*held);
    const bool same = loop.was_told && loop.last_changed.size() == given.positional.size() &&
                      std::equal(given.positional.begin(), given.positional.end(), loop.last_changed.begin(),
                                 [&](const Value& a, const Value& b) { return renderer.equals(a, b); });
    if (!loop.was_told) {
        renderer.keep(held);
    }
    loop.was_told = true;
    loop.last_changed = given.positional;
    return !same;
}

Value loop_number(Renderer& renderer, Loop& loop, const std::string& name) {
    if (name == "index" || name == "index0") {
        return loop.index0 + (name == "index" ? 1 : 0);
    }
    if (name == "revindex" || name == "revindex0") {
        return loop.count(renderer) - loop.index0 - (name == "revindex" ? 0 : 1);
    }
    if (name == "depth" || name == "depth0") {
        return loop.depth0 + (name == "depth" ? 1 : 0);
    }
    return name == "length" ? Value(loop.count(renderer)) : Value();
}

Value loop_attribute(Renderer& renderer, const Value& of, const std::string& name) {
    auto& loop = of.as<Loop>();
    if (Value number = loop_number(renderer, loop, name); !number.missing()) {
        return number;
    }
    if (name == "first") {
        return loop.index0 == 0;
    }
    if (name == "last") {
        return !loop.peek();
    }
    if (name == "previtem") {
        return loop.index0 == 0 ? renderer.undefined("there is no previous item") : loop.before;
    }
    if (name == "nextitem") {
        return loop.peek() ? loop.after : renderer.undefined("there is no next item");
    }
    if (name == "cycle" || name == "changed") {
        return make_function(renderer.budget(), "loop." + name, Inside(of),
                             [of, is_cycle = name == "cycle"](Renderer& with, Arguments& given) {
                                 return is_cycle ? cycle(of.as<Loop>(), given) : changed(with, of.object(), given);
                             });
    }
    return {};
}

Value cycler_attribute(Renderer& renderer, const Value& of, const std::string& name) {
    const auto& cycler = of.as<Cycler>();
    if (name == "current") {
        return cycler.values.items()[cycler.position];
    }
    if (name != "next" && name != "reset") {
        return {};
    }
    return make_function(renderer.budget(), name, Inside(of), [of, is_next = name == "next"](Renderer&, Arguments&) {
        auto& self = of.as<Cycler>();
        const auto& values = self.values.items();
        const std::size_t next = is_next ? (self.position + 1) % values.size() : 0;
        const std::size_t position = std::exchange(self.position, next);
        return is_next ? values[position] : Value::none();
    });
}

Value macro_attribute(Renderer& renderer, const Value& of, const std::string& name) {
    const MacroPlan& plan = *of.as<Macro>().plan;
    if (name == "name") {
        return plan.name.empty() ? Value::none() : renderer.text(plan.name);
    }
    if (name == "arguments") {
        std::vector<Value> names;
        for (const Parameter& parameter : plan.parameters) {
            names.push_back(renderer.text(parameter.name));
        }
        return make_tuple(renderer.budget(), std::move(names));
    }
    return name == "caller"          ? Value(plan.takes_caller)
           : name == "catch_kwargs"  ? Value(plan.takes_named)
           : name == "catch_varargs" ? Value(plan.takes_more)
                                     : Value();
}

}  // namespace

Value find_attribute(Renderer& renderer, const Value& of, const std::string& name) {
    if (name.starts_with("__")) {
        throw Failure{"\"" + name + "\": names that begin with \"__\" are Python's own"};
    }
    switch (of.kind()) {
        case Kind::Text:
            return find_text_method(renderer, of, name);
        case Kind::List:
        case Kind::Tuple:
        case Kind::Range:
            return sequence_attribute(renderer, of, name);
        case Kind::Dict:
            return dict_attribute(renderer, of, name);
        case Kind::Loop:
            return loop_attribute(renderer, of, name);
        case Kind::Cycler:
            return cycler_attribute(renderer, of, name);
        case Kind::Macro:
            return macro_attribute(renderer, of, name);
        case Kind::Namespace: {
            const Value* const found = of.as<Namespace>().find(name);
            return found == nullptr ? Value() : *found;
        }
        case Kind::Bool:
        case Kind::Int:
        case Kind::Float:
            if (contains({"as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes",
                          "fromhex", "hex", "imag", "is_integer", "numerator", "real", "to_bytes"},
                         name)) {
                unsupported(of, name);
            }
            return {};
        case Kind::Generator:
        case Kind::View:
        case Kind::Function:
            unsupported(of, name,
                        of.is(Kind::Function) ? "is it to be called? write name()" : "make a list of it: … | list");
        default:
            return {};
    }
}

}  // namespace cooper::build::jinja
