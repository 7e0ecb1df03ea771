//! Manual pages: one of everything, or one of each command.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use crate::out;

#[derive(Args)]
pub(crate) struct ManArgs {
    /// Write a page of each command into this directory, for `man -M` or a package; without it one page of all is printed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ManArgs, command: Command) -> anyhow::Result<()> {
    match &arguments.dir {
        Some(directory) => {
            std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
            clap_mangen::generate_to(command, directory).with_context(|| format!("cannot write the pages into {}", directory.display()))
        }
        None => out::verbatim(&whole(command)?),
    }
}

/// One page with the options of every command.
fn whole(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let (mut page, man) = (Vec::new(), Man::new(command.clone()));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for command in command.get_subcommands() {
        with_options(command, &mut page)?;
    }
    Ok(page)
}

/// A command's section, and those of its own commands after it.
fn with_options(command: &Command, page: &mut Vec<u8>) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).replace('-', " ");
    let man = Man::new(command.clone());
    let mut section = Vec::new();
    man.render_description_section(&mut section)?;
    man.render_synopsis_section(&mut section)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut section)?;
    }
    // Of a page of its own these would be the sections; here the command is the section, and they are parts of it.
    let section = String::from_utf8_lossy(&section).into_owned();
    let parts = section.replacen(".SH DESCRIPTION\n", &format!(".SH {}\n", name.to_uppercase()), 1);
    page.extend(parts.replace(".SH SYNOPSIS", ".SS SYNOPSIS").replace(".SH OPTIONS", ".SS OPTIONS").into_bytes());
    command.get_subcommands().try_for_each(|command| with_options(command, page))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn names(command: &Command) -> Vec<String> {
        let own = command.get_subcommands().flat_map(names);
        std::iter::once(command.get_display_name().unwrap_or(command.get_name()).to_owned()).chain(own).collect()
    }

    #[test]
    fn every_command_has_a_page_and_every_reference_leads_to_one() {
        let mut command = crate::Cli::command().disable_help_subcommand(true);
        command.build();
        let folder = tempfile::tempdir().unwrap();
        run(&ManArgs { dir: Some(folder.path().join("man1")) }, crate::Cli::command()).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("man1/{name}.1"))).unwrap();
        let names = names(&command);
        assert!(names.len() > 15, "{names:?}");
        for name in &names {
            for reference in page(name).lines().filter_map(|line| line.strip_suffix("(1)")) {
                assert!(names.contains(&reference.replace('\\', "")), "{reference} in {name}");
            }
        }
        assert!(page("keyward-explain").contains("grant\\-token"));
    }

    #[test]
    fn the_one_page_shows_every_option() {
        let page = String::from_utf8(whole(crate::Cli::command()).unwrap()).unwrap();
        fn check(command: &Command, page: &str) {
            for long in command.get_arguments().filter_map(|argument| argument.get_long()) {
                let written = format!("\\-\\-{}", long.replace('-', "\\-"));
                assert!(page.contains(&written), "--{long} of {}", command.get_name());
            }
            command.get_subcommands().for_each(|command| check(command, page));
        }
        check(&crate::Cli::command(), &page);
        assert!(page.contains(".SH \"KEYWARD ACCOUNT CREATE\"") || page.contains(".SH KEYWARD ACCOUNT CREATE"));
        assert!(!page.contains("(1)"), "nothing refers to pages that this one replaces");
    }
}
