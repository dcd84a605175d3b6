import { existsSync } from "node:fs";
import type { Option } from "../../config/option.ts";
import { SERVICES } from "../../config/services.ts";
import { askChoice, askSecret, askText, BACK, type Back, type Choice } from "./ask.ts";
import { besides, type Draft, hasTls, isOn, OPTIONS, type TlsAnswer } from "./draft.ts";
import { canSelfSign, fileTrouble, isEncrypted, pairTrouble, TRIAL_DAYS } from "./files.ts";
import type { Step } from "./step.ts";

const NO_TLS: TlsAnswer = { section: null, made: false, cert: "", key: "", passphrase: "" };

/** The questions about TLS and its certificate. */
export function tlsSteps(target: string): Step[] {
  const wanted = ({ tls }: Draft) => tls !== null && tls.section !== null;
  const fromFiles = (draft: Draft) => wanted(draft) && draft.tls?.made === false;
  return [
    { ask: askTls },
    { applies: wanted, ask: (draft) => askPair(draft, target) },
    { applies: fromFiles, ask: (draft) => askFile(draft, target, "cert") },
    { applies: fromFiles, ask: (draft) => askFile(draft, target, "key") },
    {
      applies: (draft) => fromFiles(draft) && isEncrypted((draft.tls as TlsAnswer).key),
      ask: askPassphrase,
    },
  ];
}

async function askTls(draft: Draft): Promise<Draft | Back> {
  const services = SERVICES.filter((one) => isOn(draft, one) && one.tls !== null);
  const choices: Choice<string>[] = [
    { value: "none", label: "None" },
    { value: "tls", label: "Every service", hint: "[tls]" },
  ];
  if (services.length > 1) {
    for (const { name, tls } of services) {
      choices.push({ value: tls as string, label: `Only ${name}`, hint: `[${tls}]` });
    }
  }
  if (hasTls(draft)) choices.unshift({ value: "as is", label: "As it is now" });
  const before = draft.tls ? (draft.tls.section ?? "none") : hasTls(draft) ? "as is" : "none";
  const section = await askChoice("TLS: what is encrypted?", "", choices, before);
  if (section === BACK) return BACK;
  if (section === "as is") return { ...draft, tls: null };
  if (section === "none") return { ...draft, tls: hasTls(draft) ? NO_TLS : null };
  return { ...draft, tls: { ...(draft.tls ?? NO_TLS), section } };
}

async function askPair(draft: Draft, target: string): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const [cert, key] = [besides(target, ".crt"), besides(target, ".key")];
  const choices: Choice<boolean>[] = [{ value: false, label: "From files that I have" }];
  // An existing key must never be overwritten.
  if (canSelfSign() && !existsSync(cert) && !existsSync(key)) {
    choices.push({
      value: true,
      label: "A self-signed pair for trying out",
      hint: `made by openssl, good for ${TRIAL_DAYS} days`,
    });
  }
  const made = await askChoice("Where does the certificate come from?", "", choices, tls.made);
  if (made === BACK) return BACK;
  if (made) return { ...draft, tls: { ...tls, made, cert, key, passphrase: "" } };
  return { ...draft, tls: tls.made ? { ...NO_TLS, section: tls.section } : tls };
}

async function askFile(draft: Draft, target: string, which: "cert" | "key"): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const path = `${tls.section}.${which}`;
  const beside = besides(target, which === "cert" ? ".crt" : ".key");
  const initial = tls[which] || (existsSync(beside) ? beside : "");
  const { about } = OPTIONS.get(path) as Option<unknown>;
  const file = await askText(path, about, initial, (found) => {
    if (found === "") return "a file is needed";
    const trouble = fileTrouble(found, which);
    if (trouble !== null || which === "cert" || isEncrypted(found)) return trouble;
    return pairTrouble(tls.cert, found, "");
  });
  return file === BACK ? BACK : { ...draft, tls: { ...tls, [which]: file, passphrase: "" } };
}

async function askPassphrase(draft: Draft): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const path = `${tls.section}.passphrase`;
  const { about } = OPTIONS.get(path) as Option<unknown>;
  const passphrase = await askSecret(path, about, (found) =>
    found === "" ? "a passphrase is needed" : pairTrouble(tls.cert, tls.key, found),
  );
  return passphrase === BACK ? BACK : { ...draft, tls: { ...tls, passphrase } };
}
