#include "build/template/value.hpp"

#include "build/template/characters.hpp"

#include <algorithm>
#include <cmath>

namespace cooper::build::jinja {

namespace {

std::shared_ptr<Sequence> make_sequence(Budget* budget, std::vector<Value> items) {
    auto made = make_object<Sequence>(budget, items.size() * sizeof(Value), Inside(items));
    made->items = std::move(items);
    return made;
}

/// Exact, also where a double has no room for all digits of an int.
int compare_numbers(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) {
        return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
    }
    const auto wide = [](const Value& value) {
        return value.is(Kind::Float) ? static_cast<long double>(value.real())
                                     : static_cast<long double>(value.integer());
    };
    return wide(a) < wide(b) ? -1 : wide(a) > wide(b) ? 1 : 0;
}

bool is_nan(const Value& value) {
    return value.is(Kind::Float) && std::isnan(value.real());
}

bool equal_dicts(const Dict& a, const Dict& b) {
    return a.entries.size() == b.entries.size() &&
           std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& entry) {
               const Value* const other = b.find(entry.first);
               return other != nullptr && equal(entry.second, *other);
           });
}

bool equal_ranges(const Range& a, const Range& b) {
    return a.length == b.length && (a.length == 0 || a.start == b.start) && (a.length <= 1 || a.step == b.step);
}

bool less_sequences(const std::vector<Value>& a, const std::vector<Value>& b, std::string_view operation) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        if (!equal(a[i], b[i])) {
            return less(a[i], b[i], operation);
        }
    }
    return a.size() < b.size();
}

}  // namespace

const Value* Dict::find(const Value& key) const {
    const auto [first, last] = index_.equal_range(hash_of(key));
    for (auto at = first; at != last; ++at) {
        if (equal(entries[at->second].first, key)) {
            return &entries[at->second].second;
        }
    }
    return nullptr;
}

const Value* Dict::find(std::string_view key) const {
    const auto [first, last] = index_.equal_range(std::hash<std::string_view>{}(key));
    for (auto at = first; at != last; ++at) {
        const auto& [known, value] = entries[at->second];
        if (known.is_text() && known.text() == key) {
            return &value;
        }
    }
    return nullptr;
}

void Dict::set(Value key, Value value) {
    const std::size_t hash = hash_of(key);
    const auto [first, last] = index_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
        if (equal(entries[at->second].first, key)) {
            entries[at->second].second = std::move(value);
            return;
        }
    }
    index_.emplace(hash, entries.size());
    entries.emplace_back(std::move(key), std::move(value));
}

const Value* Namespace::find(const std::string& name) const {
    const auto found = places.find(name);
    return found == places.end() ? nullptr : &entries[found->second].second;
}

void Namespace::set(const std::string& name, Value value) {
    const auto [place, is_new] = places.try_emplace(name, entries.size());
    if (is_new) {
        charge.grow(2 * name.size() + sizeof(Value) * 4);
        entries.emplace_back(name, std::move(value));
    } else {
        entries[place->second].second = std::move(value);
    }
}

Value make_text(Budget* budget, std::string bytes, bool markup) {
    auto made = make_object<Text>(budget, bytes.size(), Inside());
    made->weight += bytes.size() / 64;
    made->bytes = std::move(bytes);
    made->length = count_characters(made->bytes);
    made->markup = markup;
    return {Kind::Text, std::move(made)};
}

Value make_text(TextBuilder& builder, bool markup) {
    return make_text(builder.budget(), builder.take(), markup);
}

Value make_list(Budget* budget, std::vector<Value> items) {
    return {Kind::List, make_sequence(budget, std::move(items))};
}

Value make_tuple(Budget* budget, std::vector<Value> items) {
    return {Kind::Tuple, make_sequence(budget, std::move(items))};
}

Value make_dict(Budget* budget, std::vector<std::pair<Value, Value>> entries) {
    constexpr std::size_t kPerEntry = 2 * sizeof(Value) + 40;  // and a node of the index
    Inside inside;
    for (const auto& [key, value] : entries) {
        inside.add(key);
        inside.add(value);
    }
    if (budget != nullptr) {
        budget->step(inside.weight / 16);
    }
    auto made = make_object<Dict>(budget, entries.size() * kPerEntry, inside);
    for (auto& [key, value] : entries) {
        made->set(std::move(key), std::move(value));
    }
    return {Kind::Dict, std::move(made)};
}

Value make_range(Budget* budget, std::int64_t start, std::int64_t stop, std::int64_t step) {
    if (step == 0) {
        throw Failure{"range(): the third argument, the step, must not be zero"};
    }
    auto made = make_object<Range>(budget, 0, Inside{});
    made->start = start;
    made->stop = stop;
    made->step = step;
    if (step > 0 ? start < stop : start > stop) {
        // Unsigned: the distance between two ints may need all 64 bits.
        const auto distance = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                                       : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
        const auto stride = step > 0 ? static_cast<std::uint64_t>(step) : -static_cast<std::uint64_t>(step);
        const std::uint64_t length = (distance - 1) / stride + 1;
        if (length > static_cast<std::uint64_t>(INT64_MAX)) {
            throw Failure{"range(): too long"};
        }
        made->length = static_cast<std::int64_t>(length);
    }
    return {Kind::Range, std::move(made)};
}

Value make_generator(Budget* budget, const Inside& inside, Next next) {
    auto made = make_object<Generator>(budget, sizeof(Value), inside);
    made->next = std::move(next);
    return {Kind::Generator, std::move(made)};
}

Value make_function(Budget* budget, std::string name, const Inside& inside,
                    std::function<Value(Renderer&, Arguments&)> call) {
    auto made = make_object<Function>(budget, name.size() + sizeof(Value), inside);
    made->name = std::move(name);
    made->call = std::move(call);
    return {Kind::Function, std::move(made)};
}

Value make_undefined(Budget* budget, std::string message) {
    auto made = make_object<Undefined>(budget, message.size(), Inside{});
    made->message = std::move(message);
    return {Kind::Undefined, std::move(made)};
}

std::string_view type_name(const Value& value) {
    switch (value.kind()) {
        case Kind::Missing:
        case Kind::Undefined:
            return "Undefined";
        case Kind::None:
            return "NoneType";
        case Kind::Bool:
            return "bool";
        case Kind::Int:
            return "int";
        case Kind::Float:
            return "float";
        case Kind::Text:
            return "str";
        case Kind::List:
            return "list";
        case Kind::Tuple:
            return "tuple";
        case Kind::Dict:
            return "dict";
        case Kind::Range:
            return "range";
        case Kind::View:
            return "view of a dict";
        case Kind::Generator:
            return "generator";
        case Kind::Namespace:
            return "namespace";
        case Kind::Loop:
            return "loop";
        case Kind::Cycler:
            return "cycler";
        case Kind::Macro:
            return "macro";
        case Kind::Function:
            return "function";
    }
    return "";
}

std::optional<std::size_t> length_of(const Value& value) {
    switch (value.kind()) {
        case Kind::Undefined:
            return 0;
        case Kind::Text:
            return value.as<Text>().length;
        case Kind::List:
        case Kind::Tuple:
            return value.items().size();
        case Kind::Dict:
            return value.dict().entries.size();
        case Kind::Range:
            return static_cast<std::size_t>(value.as<Range>().length);
        case Kind::View:
            return value.as<View>().dict.dict().entries.size();
        default:
            return std::nullopt;
    }
}

bool equal(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) {
        return !is_nan(a) && !is_nan(b) && compare_numbers(a, b) == 0;
    }
    if (a.kind() != b.kind()) {
        return false;
    }
    if (a.object() && a.object() == b.object()) {
        return true;
    }
    switch (a.kind()) {
        case Kind::None:
        case Kind::Missing:
        case Kind::Undefined:
            return true;
        case Kind::Text:
            return a.text() == b.text();
        case Kind::List:
        case Kind::Tuple:
            return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), equal);
        case Kind::Dict:
            return equal_dicts(a.dict(), b.dict());
        case Kind::Range:
            return equal_ranges(a.as<Range>(), b.as<Range>());
        default:
            return a.object() == b.object();
    }
}

bool less(const Value& a, const Value& b, std::string_view operation) {
    if (a.is_number() && b.is_number()) {
        return !is_nan(a) && !is_nan(b) && compare_numbers(a, b) < 0;
    }
    if (a.is_text() && b.is_text()) {
        return a.text() < b.text();  // UTF-8 sorts as its code points do
    }
    if (a.is_sequence() && a.kind() == b.kind()) {
        return less_sequences(a.items(), b.items(), operation);
    }
    for (const Value* value : {&a, &b}) {
        if (value->is(Kind::Undefined)) {
            throw Failure{value->as<Undefined>().message};
        }
    }
    throw Failure{"\"" + std::string(operation) + "\" between " + std::string(type_name(a)) + " and " +
                  std::string(type_name(b)) + ": they have no order"};
}

std::size_t hash_of(const Value& value) {
    switch (value.kind()) {
        case Kind::Bool:
        case Kind::Int:
            return std::hash<std::int64_t>{}(value.integer());
        case Kind::Float: {
            const double number = value.real();
            constexpr double kLimit = 9.2e18;
            return number == std::floor(number) && std::abs(number) < kLimit
                       ? std::hash<std::int64_t>{}(static_cast<std::int64_t>(number))
                       : std::hash<double>{}(number);
        }
        case Kind::Text:
            return std::hash<std::string_view>{}(value.text());
        case Kind::Tuple: {
            std::size_t hash = 0x345678;
            for (const Value& item : value.items()) {
                hash = (hash ^ hash_of(item)) * 1000003;
            }
            return hash;
        }
        case Kind::Undefined:
            return 0;  // all are equal
        case Kind::List:
        case Kind::Dict:
        case Kind::View:
            throw Failure{"a " + std::string(type_name(value)) + " cannot be the key of a dict"};
        default:
            return std::hash<const void*>{}(value.object().get());
    }
}

}  // namespace cooper::build::jinja
