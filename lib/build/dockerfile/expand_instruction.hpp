// Variables in whole instructions, and what was noticed meanwhile (private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include "build/dockerfile/expansion.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

struct ExpansionNotes {
    VariableNames unmatched;                                 ///< variables without a value
    std::vector<std::pair<std::string, std::string>> ports;  ///< rule and message about EXPOSE
};

/// expanded(); `notes` may be null.
Instruction expand_instruction(const Instruction& instruction, char escape, const VariableLookup& variables,
                               ExpansionNotes* notes);

}  // namespace cooper::build
