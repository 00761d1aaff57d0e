#include "cooper/base/text.hpp"

#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/filter_kinds.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>

namespace cooper::build::jinja::filters {

namespace {

/// A value and what it is sorted by.
struct Keyed {
    Value key;
    Value value;
};

bool is_true(Renderer& renderer, const Bound& bound, std::size_t index) {
    return bound.has(index) && renderer.truth(bound[index]);
}

Value without_case(Renderer& renderer, Value key, bool case_sensitive) {
    return !case_sensitive && key.is_text() ? renderer.text(jinja::lower(key.text())) : key;
}

std::vector<Keyed> keyed(Renderer& renderer, const Value& values, const AttributePath& path, bool case_sensitive,
                         const Value& otherwise = Value()) {
    std::vector<Keyed> result;
    for (Value& value : renderer.list(values)) {
        renderer.budget()->step();
        Value key = without_case(renderer, path.find(renderer, value, otherwise), case_sensitive);
        result.push_back({std::move(key), std::move(value)});
    }
    return result;
}

/// What ordering so many values costs.
void count_comparisons(Renderer& renderer, const std::vector<Keyed>& values) {
    Inside inside;
    for (const Keyed& each : values) {
        inside.add(each.key);
    }
    renderer.budget()->step(inside.weight * static_cast<unsigned>(std::bit_width(values.size())) / 16);
}

void put_in_order(Renderer& renderer, std::vector<Keyed>& values, bool reverse) {
    count_comparisons(renderer, values);
    std::stable_sort(values.begin(), values.end(), [reverse](const Keyed& a, const Keyed& b) {
        return reverse ? less(b.key, a.key) : less(a.key, b.key);
    });
}

Value values_of(Renderer& renderer, std::vector<Keyed>& sorted) {
    std::vector<Value> values;
    for (Keyed& each : sorted) {
        values.push_back(std::move(each.value));
    }
    return make_list(renderer.budget(), std::move(values));
}

Value extreme(Renderer& renderer, Arguments& given, std::string_view who, bool greatest) {
    const Bound bound(given, who, {"value", "case_sensitive", "attribute"}, 1);
    const AttributePath path(renderer, bound.get(2, Value::none()));
    auto values = keyed(renderer, bound[0], path, is_true(renderer, bound, 1));
    if (values.empty()) {
        return renderer.undefined(std::string(who) + ": nothing was there");
    }
    count_comparisons(renderer, values);
    std::size_t best = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        const bool better = greatest ? less(values[best].key, values[i].key) : less(values[i].key, values[best].key);
        best = better ? i : best;
    }
    return values[best].value;
}

}  // namespace

Value dictsort(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "dictsort", {"value", "case_sensitive", "by", "reverse"}, 1);
    const std::string by = bound.text(2, "key");
    if (by != "key" && by != "value") {
        throw Failure{"dictsort: \"by\" is key or value"};
    }
    if (!bound[0].is(Kind::Dict)) {
        throw bound[0].is(Kind::Undefined)
            ? Failure{bound[0].as<Undefined>().message}
            : Failure{"dictsort: found a " + std::string(type_name(bound[0])) + ", expected a dict"};
    }
    std::vector<Keyed> pairs;
    for (const auto& [key, value] : bound[0].dict().entries) {
        pairs.push_back({without_case(renderer, by == "key" ? key : value, is_true(renderer, bound, 1)),
                         make_tuple(renderer.budget(), {key, value})});
    }
    put_in_order(renderer, pairs, is_true(renderer, bound, 3));
    return values_of(renderer, pairs);
}

Value sort(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "sort", {"value", "reverse", "case_sensitive", "attribute"}, 1);
    const bool case_sensitive = is_true(renderer, bound, 2);
    std::vector<AttributePath> paths;
    if (bound.has(3) && bound[3].is_text()) {
        for (const std::string_view path : split(bound[3].text(), ',')) {
            paths.emplace_back(renderer, renderer.text(std::string(path)));
        }
    } else {
        paths.emplace_back(renderer, bound.get(3, Value::none()));
    }
    std::vector<Keyed> values;
    for (Value& value : renderer.list(bound[0])) {
        std::vector<Value> keys;
        for (const AttributePath& path : paths) {
            renderer.budget()->step();
            keys.push_back(without_case(renderer, path.find(renderer, value), case_sensitive));
        }
        values.push_back({make_list(renderer.budget(), std::move(keys)), std::move(value)});
    }
    put_in_order(renderer, values, is_true(renderer, bound, 1));
    return values_of(renderer, values);
}

Value unique(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "unique", {"value", "case_sensitive", "attribute"}, 1);
    const bool case_sensitive = is_true(renderer, bound, 1);
    const AttributePath path(renderer, bound.get(2, Value::none()));
    const Inside inside(bound[0]);
    return make_generator(
        renderer.budget(), inside,
        [&renderer, values = bound[0], next = Next(), path, case_sensitive,
         seen = std::unordered_multimap<std::size_t, Value>()](Value& item) mutable {
            if (!next) {
                next = renderer.iterate(values);
            }
            while (next(item)) {
                renderer.budget()->step();
                Value key = without_case(renderer, path.find(renderer, item), case_sensitive);
                renderer.require_defined(key);
                const auto [first, last] = seen.equal_range(hash_of(key));
                if (std::none_of(first, last, [&](const auto& known) { return renderer.equals(known.second, key); })) {
                    seen.emplace(hash_of(key), std::move(key));
                    return true;
                }
            }
            return false;
        });
}

Value groupby(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "groupby", {"value", "attribute", "default", "case_sensitive"}, 2);
    const bool case_sensitive = is_true(renderer, bound, 3);
    const AttributePath path(renderer, bound[1]);
    const Value otherwise = bound.get(2, Value());
    auto values = keyed(renderer, bound[0], path, case_sensitive, otherwise);
    put_in_order(renderer, values, false);
    std::vector<Value> groups;
    for (std::size_t i = 0; i < values.size();) {
        std::vector<Value> members;
        const Value key = values[i].key;
        const Value shown = case_sensitive ? key : path.find(renderer, values[i].value, otherwise);
        for (; i < values.size() && equal(values[i].key, key); ++i) {
            members.push_back(std::move(values[i].value));
        }
        Value group = make_tuple(renderer.budget(), {shown, make_list(renderer.budget(), std::move(members))});
        group.as<Sequence>().group = true;
        groups.push_back(std::move(group));
    }
    return make_list(renderer.budget(), std::move(groups));
}

Value max(Renderer& renderer, Arguments& given) {
    return extreme(renderer, given, "max", true);
}

Value min(Renderer& renderer, Arguments& given) {
    return extreme(renderer, given, "min", false);
}

}  // namespace cooper::build::jinja::filters
