#include "build/dockerfile/expand_instruction.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/edit.hpp"

#include "build/dockerfile/run_mount.hpp"
#include "build/edit/config_values.hpp"
#include "oci/printable.hpp"

#include <map>

namespace cooper::build {

namespace {

/// All ports of all protocols; an instruction that lists more of them lists some twice.
constexpr std::size_t kMaxPorts = 3 * 65536;

class InstructionExpander {
public:
    InstructionExpander(char escape, const VariableLookup& variables, ExpansionNotes* notes)
        : variables_(variables), notes_(notes) {
        options_.escape = escape;
    }

    template <class Kind>
    void operator()(Kind& /*kind*/) const {}

    void operator()(ArgInstruction& arg) const {
        std::map<std::string, std::string, std::less<>> declared;
        const VariableLookup with_declared = [&](std::string_view name) {
            const auto found = declared.find(name);
            return found == declared.end() ? variables_(name) : std::optional(found->second);
        };
        for (auto& declaration : arg.declarations) {
            if (declaration.value) {
                declaration.value = expand_with(*declaration.value, options_, with_declared).text;
                declared.insert_or_assign(declaration.name, *declaration.value);
            }
        }
    }
    void operator()(EnvInstruction& env) const { fill_in(env.variables); }
    void operator()(LabelInstruction& label) const { fill_in(label.labels); }
    void operator()(WorkdirInstruction& workdir) const { fill_in(workdir.path); }
    void operator()(UserInstruction& user) const { fill_in(user.user); }

    void operator()(CopyInstruction& copy) const {
        fill_in(copy.chown);
        fill_in(copy.chmod);
        fill_in(copy.checksum);
        for (auto& source : copy.sources) {
            fill_in(source);
        }
        fill_in(copy.destination);
        ExpansionOptions body;
        body.quotes_are_text = true;
        for (auto& source : copy.inline_sources) {
            if (source.expand) {
                source.content = expand_with(source.content, body, variables_).text;
            }
        }
    }

    void operator()(RunInstruction& run) const {
        run.mounts.clear();
        for (const auto& text : run.mount_texts) {
            run.mounts.push_back(parse_run_mount(
                text, [this](const std::string& value) { return expand_with(value, options_, variables_).text; }));
        }
    }

    void operator()(ExposeInstruction& expose) const {
        ExpansionOptions options = options_;
        options.split = true;
        std::vector<std::string> ports;
        for (const auto& text : expose.ports) {
            for (const auto& word : expand_with(text, options, variables_).words) {
                note_port(word);
                auto more = parse_ports(word);
                if (ports.size() + more.size() > kMaxPorts) {
                    throw Error(ErrorCode::InvalidInput, "EXPOSE has more ports than there are");
                }
                ports.insert(ports.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
            }
        }
        expose.ports = std::move(ports);
    }

    void operator()(VolumeInstruction& volume) const {
        for (auto& path : volume.paths) {
            const std::string written = path;
            fill_in(path);
            if (path.empty()) {
                throw Error(ErrorCode::InvalidInput,
                            "a VOLUME can not be an empty string, which \"" + oci::printable(written) + "\" is");
            }
        }
    }

    void operator()(StopSignalInstruction& stop) const {
        fill_in(stop.signal);
        check_signal(stop.signal);
    }

private:
    Expansion expand_with(std::string_view text, const ExpansionOptions& options,
                          const VariableLookup& variables) const {
        try {
            auto expansion = expand(text, options, variables);
            if (notes_ != nullptr) {
                notes_->unmatched.insert(expansion.unmatched.begin(), expansion.unmatched.end());
            }
            return expansion;
        } catch (Error& error) {
            error.add_context("\"" + oci::printable(text) + "\"");
            throw;
        }
    }

    void fill_in(std::string& text) const { text = expand_with(text, options_, variables_).text; }
    void fill_in(std::vector<KeyValue>& pairs) const {
        for (auto& [key, value] : pairs) {
            fill_in(key);
            fill_in(value);
        }
    }

    void note_port(const std::string& word) const {
        if (notes_ == nullptr) {
            return;
        }
        const auto slash = word.find('/', word.rfind(':') + 1);
        const auto protocol = slash == std::string::npos ? "" : word.substr(slash + 1);
        if (protocol != to_lower(protocol)) {
            notes_->ports.emplace_back("ExposeProtoCasing",
                                       "Defined protocol '" + word + "' in EXPOSE instruction should be lowercase");
        }
        const auto colon = word.find(':');
        if (colon != std::string::npos && colon > 0) {
            notes_->ports.emplace_back("ExposeInvalidFormat",
                                       "EXPOSE instruction should not define an IP address or host-port mapping, "
                                       "found '" +
                                           word + "'");
        }
    }

    ExpansionOptions options_;
    const VariableLookup& variables_;
    ExpansionNotes* notes_;
};

}  // namespace

Instruction expand_instruction(const Instruction& instruction, char escape, const VariableLookup& variables,
                               ExpansionNotes* notes) {
    Instruction result = instruction;
    std::visit(InstructionExpander(escape, variables, notes), result.kind);
    return result;
}

Instruction expanded(const Instruction& instruction, char escape, const VariableLookup& variables) {
    return expand_instruction(instruction, escape, variables, nullptr);
}

}  // namespace cooper::build
