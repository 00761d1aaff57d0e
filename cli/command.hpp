// A verb: declares its command line, then does its work. One file per verb; main.cpp lists them.
#pragma once

#include "command_line.hpp"
#include "exit_code.hpp"
#include "output.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cooper::cli {

class Command {
public:
    virtual ~Command() = default;
    [[nodiscard]] virtual VerbText text() const = 0;
    /// Flags write into members of this.
    virtual void declare(CommandLine& line) = 0;
    /// Returns when done; every failure is thrown.
    virtual void run(const std::vector<std::string>& positionals) = 0;

    OutputFlags output;
    /// The command's, once run() returned: an answer need not be a yes.
    int exit_code = kExitDone;

protected:
    /// Throws UsageError that shows the verb's usage line unless there are between `least` and `most` positionals.
    void expect_positionals(const std::vector<std::string>& positionals, std::size_t least, std::size_t most) const;
};

std::unique_ptr<Command> make_append_command();
std::unique_ptr<Command> make_authorize_command();
std::unique_ptr<Command> make_build_command();
std::unique_ptr<Command> make_changelog_command();
std::unique_ptr<Command> make_context_command();
std::unique_ptr<Command> make_copy_command();
std::unique_ptr<Command> make_delete_command();
std::unique_ptr<Command> make_withdraw_command();
std::unique_ptr<Command> make_links_refresh_command();
std::unique_ptr<Command> make_whose_command();
std::unique_ptr<Command> make_init_command();
std::unique_ptr<Command> make_inspect_command();
std::unique_ptr<Command> make_list_tags_command();
std::unique_ptr<Command> make_referrers_command();
std::unique_ptr<Command> make_load_command();
std::unique_ptr<Command> make_matrix_command();
std::unique_ptr<Command> make_plan_command();
std::unique_ptr<Command> make_presign_command();
std::unique_ptr<Command> make_publish_command();
std::unique_ptr<Command> make_release_command();
std::unique_ptr<Command> make_pull_command();
std::unique_ptr<Command> make_push_command();
std::unique_ptr<Command> make_save_command();
std::unique_ptr<Command> make_abort_orphans_command();
std::unique_ptr<Command> make_store_ls_command();
std::unique_ptr<Command> make_store_du_command();
std::unique_ptr<Command> make_store_gc_command();
std::unique_ptr<Command> make_store_verify_command();
std::unique_ptr<Command> make_store_rm_command();
std::unique_ptr<Command> make_tags_command();
std::unique_ptr<Command> make_unpack_command();
std::unique_ptr<Command> make_annotate_command();
std::unique_ptr<Command> make_config_command();
std::unique_ptr<Command> make_diff_command();
std::unique_ptr<Command> make_explain_command();
std::unique_ptr<Command> make_flatten_command();
std::unique_ptr<Command> make_gate_command();
std::unique_ptr<Command> make_index_make_command();
std::unique_ptr<Command> make_index_add_command();
std::unique_ptr<Command> make_index_remove_command();
std::unique_ptr<Command> make_rebase_command();
std::unique_ptr<Command> make_kit_export_command();
std::unique_ptr<Command> make_render_command();
std::unique_ptr<Command> make_reproduce_command();
std::unique_ptr<Command> make_verify_command();
std::unique_ptr<Command> make_keys_generate_command();
std::unique_ptr<Command> make_keys_public_command();
std::unique_ptr<Command> make_keys_fingerprint_command();
std::unique_ptr<Command> make_delta_command();
std::unique_ptr<Command> make_apply_command();
std::unique_ptr<Command> make_split_command();
std::unique_ptr<Command> make_join_command();
std::unique_ptr<Command> make_version_command();

/// In the order of the list that `cooper help` prints.
std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace cooper::cli
