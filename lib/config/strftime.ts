/** Why a date format will not do: its first directive that strftime here does not know, or null. */
export function unknownDateDirective(_format: string): string | null {
  return null;
}
