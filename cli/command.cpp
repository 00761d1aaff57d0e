#include "command.hpp"

namespace cooper::cli {

void Command::expect_positionals(const std::vector<std::string>& positionals, std::size_t least,
                                 std::size_t most) const {
    if (positionals.size() >= least && positionals.size() <= most) {
        return;
    }
    const VerbText verb = text();
    const std::string usage = "cooper " + std::string(verb.name) + " " + std::string(verb.usage);
    throw UsageError(positionals.size() < least
                         ? std::string(verb.name) + ": something is missing on the command line"
                         : std::string(verb.name) + ": \"" + positionals[most] + "\" is one argument too many",
                     usage);
}

std::vector<std::unique_ptr<Command>> all_commands() {
    std::vector<std::unique_ptr<Command>> commands;
    for (const auto& make :
         {make_publish_command,   make_release_command,       make_gate_command,        make_kit_export_command,
          make_reproduce_command, make_verify_command,        make_append_command,      make_pull_command,
          make_push_command,      make_copy_command,          make_save_command,        make_load_command,
          make_unpack_command,    make_config_command,        make_annotate_command,    make_flatten_command,
          make_rebase_command,    make_index_make_command,    make_index_add_command,   make_index_remove_command,
          make_inspect_command,   make_diff_command,          make_explain_command,     make_list_tags_command,
          make_referrers_command, make_delete_command,        make_delta_command,       make_apply_command,
          make_split_command,     make_join_command,          make_init_command,        make_render_command,
          make_plan_command,      make_matrix_command,        make_build_command,       make_context_command,
          make_tags_command,      make_authorize_command,     make_presign_command,     make_changelog_command,
          make_withdraw_command,  make_links_refresh_command, make_whose_command,       make_abort_orphans_command,
          make_store_ls_command,  make_store_du_command,      make_store_gc_command,    make_store_verify_command,
          make_store_rm_command,  make_keys_generate_command, make_keys_public_command, make_keys_fingerprint_command,
          make_version_command}) {
        commands.push_back(make());
    }
    return commands;
}

}  // namespace cooper::cli
