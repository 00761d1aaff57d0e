#include "build/template/arguments.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::jinja {

Bound::Bound(Arguments& given, std::string_view who, std::initializer_list<std::string_view> names,
             std::size_t required)
    : who_(who), names_(names), values_(names.size()) {
    if (given.positional.size() > names_.size()) {
        throw Failure{std::string(who_) + " takes " + std::to_string(names_.size()) + " arguments at most, found " +
                      std::to_string(given.positional.size())};
    }
    std::move(given.positional.begin(), given.positional.end(), values_.begin());
    for (auto& [name, value] : given.named) {
        const auto known = std::find(names_.begin(), names_.end(), name);
        if (known == names_.end()) {
            throw Failure{std::string(who_) + " has no argument \"" + oci::printable(name, 60) + "\""};
        }
        Value& place = values_[static_cast<std::size_t>(known - names_.begin())];
        if (!place.missing()) {
            throw Failure{std::string(who_) + ": the argument \"" + name + "\" is given twice"};
        }
        place = std::move(value);
    }
    for (std::size_t i = 0; i < required; ++i) {
        if (values_[i].missing()) {
            throw Failure{std::string(who_) + " needs the argument \"" + std::string(names_[i]) + "\""};
        }
    }
}

void Bound::wrong_type(std::size_t index, std::string_view expected) const {
    const Value& value = values_[index];
    if (value.is(Kind::Undefined)) {
        throw Failure{value.as<Undefined>().message};
    }
    throw Failure{std::string(who_) + ": \"" + std::string(names_[index]) + "\" is a " + std::string(type_name(value)) +
                  ", expected " + std::string(expected)};
}

std::int64_t Bound::integer(std::size_t index, std::int64_t otherwise) const {
    if (!has(index)) {
        return otherwise;
    }
    if (!values_[index].is_integral()) {
        wrong_type(index, "an int");
    }
    return values_[index].integer();
}

const std::string& Bound::text(std::size_t index) const {
    if (!values_[index].is_text()) {
        wrong_type(index, "a text");
    }
    return values_[index].text();
}

}  // namespace cooper::build::jinja
