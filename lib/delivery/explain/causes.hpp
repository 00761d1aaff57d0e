// Why builds of one thing differ: one table (private). `trust-and-delivery.md` 1.2 and 1.3.
#pragma once

#include "cooper/delivery/explain.hpp"

#include <cstdint>
#include <string_view>

namespace cooper::delivery {

/// Which switch leaves a difference out.
enum class Ignorable : std::uint8_t { Never, Times, History, Order, Names, Dialect };

struct CauseRow {
    Cause cause;
    /// Patterns separated by "|"; "*" stands for any bytes, "/" included. An empty one matches everything.
    std::string_view levels;  ///< names of levels
    std::string_view fields;
    std::string_view paths;  ///< without "./" or "/" in front
    std::string_view kinds;  ///< of contents
    Ignorable ignorable = Ignorable::Never;
};

/// The first row that fits; nullptr: none.
const CauseRow* find_cause(const Difference& difference) noexcept;

/// `text` fits one of the patterns.
bool fits(std::string_view patterns, std::string_view text) noexcept;

/// Contents that must not be printed: keys, hashes of passwords, logins.
bool may_hold_secrets(std::string_view path) noexcept;

}  // namespace cooper::delivery
