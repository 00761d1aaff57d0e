#include "build/template/characters.hpp"
#include "build/template/methods.hpp"
#include "build/template/printing.hpp"
#include "build/template/running.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

std::string shown(const Value& value) {
    if (value.is_text()) {
        return "\"" + oci::printable(value.text(), 60) + "\"";
    }
    return value.is_integral() ? std::to_string(value.integer()) : "of type " + std::string(type_name(value));
}

/// Where `index` leads in `size` items; nullopt beyond them.
std::optional<std::size_t> place(std::int64_t index, std::size_t size) {
    const auto count = static_cast<std::int64_t>(size);
    const std::int64_t from_start = index < 0 ? index + count : index;
    return from_start >= 0 && from_start < count ? std::optional(static_cast<std::size_t>(from_start)) : std::nullopt;
}

Value character_at(Renderer& renderer, const Text& text, std::size_t index) {
    const std::size_t begin = text.length == text.bytes.size() ? index : offset_of(text.bytes, index);
    const std::size_t size = offset_of(std::string_view(text.bytes).substr(begin), 1);
    renderer.budget()->step(text.length == text.bytes.size() ? 0 : index / 64);
    return renderer.text(text.bytes.substr(begin, size), text.markup);
}

/// obj[key] where Python finds something; Missing elsewhere.
Value subscript(Renderer& renderer, const Value& of, const Value& key) {
    const auto length = length_of(of);
    const auto index = key.is_integral() && length ? place(key.integer(), *length) : std::nullopt;
    switch (of.kind()) {
        case Kind::Text:
            return index ? character_at(renderer, of.as<Text>(), *index) : Value();
        case Kind::List:
        case Kind::Tuple:
            return index ? of.items()[*index] : Value();
        case Kind::Range:
            return index ? of.as<Range>().at(static_cast<std::int64_t>(*index)) : Value();
        case Kind::Dict: {
            if (key.is(Kind::List) || key.is(Kind::Dict) || key.is(Kind::View)) {
                return {};
            }
            renderer.budget()->step(key.weight() / 16);
            const Value* const found = of.dict().find(key);
            return found == nullptr ? Value() : *found;
        }
        default:
            return {};
    }
}

/// start, stop and step of a slice as slice.indices() of Python has them.
struct Bounds {
    std::int64_t start;
    std::int64_t stop;
    std::int64_t step;

    [[nodiscard]] std::size_t count() const {
        const std::int64_t distance = step > 0 ? stop - start : start - stop;
        const std::int64_t stride = step > 0 ? step : -step;
        return distance <= 0 ? 0 : static_cast<std::size_t>((distance - 1) / stride + 1);
    }
};

std::int64_t bound(const Value& value, std::int64_t otherwise, std::int64_t size, std::int64_t least,
                   std::int64_t most) {
    if (value.is(Kind::None)) {
        return otherwise;
    }
    if (value.is(Kind::Undefined)) {
        throw Failure{value.as<Undefined>().message};
    }
    if (!value.is_integral()) {
        throw Failure{"the bounds of a slice are ints, found a " + std::string(type_name(value))};
    }
    const std::int64_t given = std::clamp<std::int64_t>(value.integer(), -size - 1, size);
    return std::clamp(given < 0 ? given + size : given, least, most);
}

Bounds bounds(const Value& start, const Value& stop, const Value& step, std::size_t length) {
    const auto size = static_cast<std::int64_t>(length);
    const std::int64_t stride = bound(step, 1, size, INT64_MIN, INT64_MAX);
    if (step.is_integral() && step.integer() == 0) {
        throw Failure{"the step of a slice must not be zero"};
    }
    const bool forward = step.is(Kind::None) || step.integer() > 0;
    const std::int64_t least = forward ? 0 : -1;
    const std::int64_t most = forward ? size : size - 1;
    Bounds result{bound(start, forward ? 0 : size - 1, size, least, most),
                  bound(stop, forward ? size : -1, size, least, most), stride};
    if (step.is_integral()) {
        result.step = std::clamp<std::int64_t>(step.integer(), -size - 1, size + 1);
    }
    return result;
}

}  // namespace

void Renderer::require_defined(const Value& value) const {
    if (options_.strict && value.is(Kind::Undefined) && !value.as<Undefined>().lenient) {
        throw Failure{value.as<Undefined>().message};
    }
}

bool Renderer::truth(const Value& value) const {
    switch (value.kind()) {
        case Kind::Missing:
        case Kind::None:
            return false;
        case Kind::Undefined:
            require_defined(value);
            return false;
        case Kind::Bool:
        case Kind::Int:
            return value.integer() != 0;
        case Kind::Float:
            return value.real() != 0;
        default:
            return length_of(value).value_or(1) != 0;
    }
}

void Renderer::print(const Value& value, TextBuilder& to) {
    if (value.is(Kind::Undefined)) {
        require_defined(value);
    } else if (value.is_text()) {
        to += value.text();
    } else {
        append_repr(to, value);
    }
}

std::string Renderer::printed(const Value& value) {
    TextBuilder text(&budget_);
    print(value, text);
    return text.take();
}

std::size_t Renderer::length(const Value& value) const {
    require_defined(value);
    const auto known = length_of(value);
    if (!known) {
        throw Failure{"a " + std::string(type_name(value)) + " has no length"};
    }
    return *known;
}

Next Renderer::iterate(const Value& value) {
    switch (value.kind()) {
        case Kind::Undefined:
            require_defined(value);
            return [](Value&) { return false; };
        case Kind::Text:
            return [this, value, at = std::size_t{0}](Value& item) mutable {
                const std::string& bytes = value.text();
                if (at >= bytes.size()) {
                    return false;
                }
                const std::size_t begin = at;
                next_character(bytes, at);
                item = text(bytes.substr(begin, at - begin));
                return true;
            };
        case Kind::List:
        case Kind::Tuple:
            return [value, at = std::size_t{0}](Value& item) mutable {
                const bool more = at < value.items().size();
                if (more) {
                    item = value.items()[at++];
                }
                return more;
            };
        case Kind::Range:
            return [value, at = std::int64_t{0}](Value& item) mutable {
                const auto& range = value.as<Range>();
                const bool more = at < range.length;
                if (more) {
                    item = range.at(at++);
                }
                return more;
            };
        case Kind::Dict:
            return [value, at = std::size_t{0}](Value& item) mutable {
                const auto& entries = value.dict().entries;
                const bool more = at < entries.size();
                if (more) {
                    item = entries[at++].first;
                }
                return more;
            };
        case Kind::View:
            return [this, value, at = std::size_t{0}](Value& item) mutable {
                const auto& view = value.as<View>();
                const auto& entries = view.dict.dict().entries;
                if (at >= entries.size()) {
                    return false;
                }
                const auto& [key, held] = entries[at++];
                item = view.of == View::Of::Keys     ? key
                       : view.of == View::Of::Values ? held
                                                     : make_tuple(&budget_, {key, held});
                return true;
            };
        case Kind::Generator:
            return [value](Value& item) { return value.as<Generator>().next(item); };
        default:
            throw Failure{"a " + std::string(type_name(value)) + " has no items to go over"};
    }
}

std::vector<Value> Renderer::list(const Value& value) {
    if (value.is_sequence()) {
        budget_.expect(value.items().size() * sizeof(Value));
        return value.items();
    }
    if (const auto known = length_of(value)) {
        budget_.expect(std::min(*known, kMaxMemory) * sizeof(Value));
    }
    std::vector<Value> items;
    Charge charge(&budget_, 0);
    const Next next = iterate(value);
    for (Value item; next(item);) {
        budget_.step();
        charge.grow(sizeof(Value));
        items.push_back(std::move(item));
    }
    return items;
}

Value Renderer::attribute(const Value& of, const std::string& name) {
    if (of.is(Kind::Undefined)) {
        throw Failure{of.as<Undefined>().message};
    }
    Value found = find_attribute(*this, of, name);
    if (found.missing() && of.is(Kind::Dict)) {
        const Value* const entry = of.dict().find(std::string_view(name));
        found = entry == nullptr ? Value() : *entry;
    }
    if (found.missing()) {
        return undefined("a " + std::string(type_name(of)) + " has no attribute \"" + name + "\"");
    }
    return found;
}

Value Renderer::item(const Value& of, const Value& key) {
    if (of.is(Kind::Undefined)) {
        throw Failure{of.as<Undefined>().message};
    }
    Value found = subscript(*this, of, key);
    if (found.missing() && key.is_text()) {
        found = find_attribute(*this, of, key.text());
    }
    if (found.missing()) {
        return undefined("a " + std::string(type_name(of)) + " has no item " + shown(key));
    }
    return found;
}

Value Renderer::slice(const Value& of, const Value& start, const Value& stop, const Value& step) {
    if (of.is(Kind::Undefined)) {
        throw Failure{of.as<Undefined>().message};
    }
    if (!of.is_text() && !of.is_sequence() && !of.is(Kind::Range)) {
        throw Failure{"a " + std::string(type_name(of)) + " cannot be sliced"};
    }
    const Bounds cut = bounds(start, stop, step, length(of));
    const std::size_t count = cut.count();
    if (of.is(Kind::Range)) {
        const auto& range = of.as<Range>();
        std::int64_t stride = 0;
        if (__builtin_mul_overflow(range.step, cut.step, &stride)) {
            throw Failure{"the step of a range needs more than 64 bits"};
        }
        return make_range(&budget_, range.at(cut.start).integer(), range.at(cut.stop).integer(), stride);
    }
    budget_.step(count / 8);
    if (of.is_text()) {
        const auto& whole = of.as<Text>();
        if (cut.step == 1) {
            const std::size_t begin = offset_of(whole.bytes, static_cast<std::size_t>(cut.start));
            const std::size_t size = offset_of(std::string_view(whole.bytes).substr(begin), count);
            return text(whole.bytes.substr(begin, size), whole.markup);
        }
        std::u32string characters;
        for (std::size_t at = 0; at < whole.bytes.size();) {
            characters.push_back(next_character(whole.bytes, at));
        }
        std::string result;
        for (std::size_t i = 0; i < count; ++i) {
            append_character(result,
                             characters[static_cast<std::size_t>(cut.start + static_cast<std::int64_t>(i) * cut.step)]);
        }
        return text(std::move(result), whole.markup);
    }
    budget_.expect(count * sizeof(Value));
    std::vector<Value> items;
    for (std::size_t i = 0; i < count; ++i) {
        items.push_back(of.items()[static_cast<std::size_t>(cut.start + static_cast<std::int64_t>(i) * cut.step)]);
    }
    return of.is(Kind::List) ? make_list(&budget_, std::move(items)) : make_tuple(&budget_, std::move(items));
}

}  // namespace cooper::build::jinja
