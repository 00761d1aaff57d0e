// The values of a template, which are Python's: what they hold, whether they are true, equal, less, and how they are
// looked up. All but namespaces, loops and generators never change. Each knows how deep it nests, and what it costs is
// counted.
#pragma once

#include "build/template/failure.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cooper::build::jinja {

enum class Kind : std::uint8_t {
    Missing,  ///< a variable that holds nothing yet
    Undefined,
    None,
    Bool,
    Int,
    Float,
    Text,
    List,
    Tuple,
    Dict,
    Range,
    View,       ///< keys(), values() or items() of a dict
    Generator,  ///< what map, select and other filters give: read once, from the front
    Namespace,
    Loop,
    Cycler,
    Macro,
    Function,  ///< a method of a value, a global function
};

class Value;

struct Object {
    Object() = default;
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    virtual ~Object() = default;
    /// Lets go of other values: objects that change can lie in each other, and none of them would ever go.
    virtual void release() {}
    Charge charge;
    unsigned depth = 0;        ///< how many objects lie in each other at most
    std::uint64_t weight = 1;  ///< what walking it costs: all that is below it, as often as it is there
};

/// What lies in an object that is about to be made.
struct Inside {
    Inside() = default;
    explicit Inside(const Value& value) { add(value); }
    explicit Inside(const std::vector<Value>& values);
    void add(const Value& value);

    unsigned depth = 0;
    std::uint64_t weight = 0;
};

struct Text;
struct Sequence;
struct Dict;
struct Range;
struct View;
struct Generator;
struct Namespace;
struct Loop;
struct Macro;
struct Function;
struct Undefined;

class Value {
public:
    Value() = default;
    static Value none() { return Value(Kind::None); }
    Value(bool value) : kind_(Kind::Bool) { plain_.boolean = value; }
    Value(std::int64_t value) : kind_(Kind::Int) { plain_.integer = value; }
    Value(double value) : kind_(Kind::Float) { plain_.real = value; }
    Value(const void*) = delete;
    Value(Kind kind, std::shared_ptr<Object> object) : kind_(kind), object_(std::move(object)) {}

    [[nodiscard]] Kind kind() const noexcept { return kind_; }
    [[nodiscard]] bool is(Kind kind) const noexcept { return kind_ == kind; }
    [[nodiscard]] bool missing() const noexcept { return kind_ == Kind::Missing; }
    [[nodiscard]] bool is_text() const noexcept { return kind_ == Kind::Text; }
    [[nodiscard]] bool is_sequence() const noexcept { return kind_ == Kind::List || kind_ == Kind::Tuple; }
    /// An int in Python: bools are.
    [[nodiscard]] bool is_integral() const noexcept { return kind_ == Kind::Int || kind_ == Kind::Bool; }
    [[nodiscard]] bool is_number() const noexcept { return is_integral() || kind_ == Kind::Float; }

    [[nodiscard]] bool boolean() const noexcept { return plain_.boolean; }
    /// Of is_integral().
    [[nodiscard]] std::int64_t integer() const noexcept {
        return kind_ == Kind::Bool ? (plain_.boolean ? 1 : 0) : plain_.integer;
    }
    /// Of is_number().
    [[nodiscard]] double real() const noexcept {
        return kind_ == Kind::Float ? plain_.real : static_cast<double>(integer());
    }
    /// The object of this value's kind; the caller has looked.
    template <class T>
    [[nodiscard]] T& as() const noexcept {
        return static_cast<T&>(*object_);
    }
    [[nodiscard]] const std::string& text() const noexcept;
    [[nodiscard]] const std::vector<Value>& items() const noexcept;  ///< of is_sequence()
    [[nodiscard]] const Dict& dict() const noexcept;
    [[nodiscard]] const std::shared_ptr<Object>& object() const noexcept { return object_; }
    [[nodiscard]] unsigned depth() const noexcept { return object_ ? object_->depth : 0; }
    [[nodiscard]] std::uint64_t weight() const noexcept { return object_ ? object_->weight : 1; }

private:
    explicit Value(Kind kind) : kind_(kind) {}

    Kind kind_ = Kind::Missing;
    union {
        bool boolean;
        std::int64_t integer;
        double real;
    } plain_ = {};
    std::shared_ptr<Object> object_;
};

struct Text final : Object {
    std::string bytes;
    std::size_t length = 0;  ///< in characters
    bool markup = false;     ///< Python's Markup, which escape, safe and tojson give
};

struct Sequence final : Object {
    std::vector<Value> items;
    bool group = false;  ///< a tuple of groupby, whose items are called grouper and list
};

/// In the order in which keys came first; the last value of a key counts.
struct Dict final : Object {
    [[nodiscard]] const Value* find(const Value& key) const;  ///< throws Failure for keys that have no hash
    [[nodiscard]] const Value* find(std::string_view key) const;
    void set(Value key, Value value);  ///< throws Failure as find does

    std::vector<std::pair<Value, Value>> entries;

private:
    std::unordered_multimap<std::size_t, std::size_t> index_;
};

struct Range final : Object {
    std::int64_t start = 0;
    std::int64_t step = 1;
    std::int64_t length = 0;
    std::int64_t stop = 0;
    /// Wraps around beyond 64 bits, where no item is.
    [[nodiscard]] Value at(std::int64_t index) const {
        const auto wide = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
        return static_cast<std::int64_t>(wide(start) + wide(index) * wide(step));
    }
};

struct View final : Object {
    enum class Of { Keys, Values, Items };
    Value dict;
    Of of = Of::Keys;
};

/// Gives the next value; false at the end.
using Next = std::function<bool(Value&)>;

struct Generator final : Object {
    Next next;
};

struct Namespace final : Object {
    std::unordered_map<std::string, std::size_t> places;
    std::vector<std::pair<std::string, Value>> entries;  ///< in the order in which they came

    [[nodiscard]] const Value* find(const std::string& name) const;
    void set(const std::string& name, Value value);
    void release() override { entries.clear(); }
};

/// What cycler() gives: its values in turn.
struct Cycler final : Object {
    Value values;
    std::size_t position = 0;
};

struct Undefined final : Object {
    std::string message;   ///< what is not there
    bool lenient = false;  ///< also where undefined variables are errors: an `if` without its `else`
};

class Renderer;
struct Arguments;

struct Function final : Object {
    std::string name;
    std::function<Value(Renderer&, Arguments&)> call;
};

/// Parameters by position and by name.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;
};

// -- making values; `budget` is null for literals

Value make_text(Budget* budget, std::string bytes, bool markup = false);
Value make_text(TextBuilder& builder, bool markup = false);
Value make_list(Budget* budget, std::vector<Value> items);
Value make_tuple(Budget* budget, std::vector<Value> items);
/// Throws Failure for keys that have no hash.
Value make_dict(Budget* budget, std::vector<std::pair<Value, Value>> entries);
Value make_range(Budget* budget, std::int64_t start, std::int64_t stop, std::int64_t step);
/// `inside` is what `next` holds.
Value make_generator(Budget* budget, const Inside& inside, Next next);
/// `inside` is what `call` holds.
Value make_function(Budget* budget, std::string name, const Inside& inside,
                    std::function<Value(Renderer&, Arguments&)> call);
Value make_undefined(Budget* budget, std::string message);
/// An object with its charge. Throws Failure beyond kMaxValueDepth.
template <class T>
std::shared_ptr<T> make_object(Budget* budget, std::size_t bytes, const Inside& inside);

// -- what they mean

/// "list", "str", … as Python calls the type.
std::string_view type_name(const Value& value);
/// len(); nullopt for what has none.
std::optional<std::size_t> length_of(const Value& value);
bool equal(const Value& a, const Value& b);
/// a < b. Throws Failure for types that have no order.
bool less(const Value& a, const Value& b, std::string_view operation = "<");
/// Throws Failure: lists, dicts and what holds them have no hash.
std::size_t hash_of(const Value& value);

template <class T>
std::shared_ptr<T> make_object(Budget* budget, std::size_t bytes, const Inside& inside) {
    if (inside.depth >= kMaxValueDepth) {
        throw Failure{"values are nested deeper than " + std::to_string(kMaxValueDepth)};
    }
    Charge charge(budget, sizeof(T) + bytes);
    auto object = std::make_shared<T>();
    object->charge = std::move(charge);
    object->depth = inside.depth + 1;
    object->weight = inside.weight + 1;
    return object;
}

inline void Inside::add(const Value& value) {
    constexpr std::uint64_t kHeaviest = std::uint64_t{1} << 40U;  // no step of that many is taken: no need to count on
    depth = depth < value.depth() ? value.depth() : depth;
    weight = weight + value.weight() < kHeaviest ? weight + value.weight() : kHeaviest;
}
inline Inside::Inside(const std::vector<Value>& values) {
    for (const Value& value : values) {
        add(value);
    }
}
inline const std::string& Value::text() const noexcept {
    return as<Text>().bytes;
}
inline const std::vector<Value>& Value::items() const noexcept {
    return as<Sequence>().items;
}
inline const Dict& Value::dict() const noexcept {
    return as<Dict>();
}

}  // namespace cooper::build::jinja
