/** The documents that the checks of a callback URL cite as their source. */
export const RT = 'Real Time Event Notification API Profile v4.0';
export const EN = 'Event Notification API Profile v4.0';
export const EN_RESOURCE = 'Event Notifications resource v4.0, Data Dictionary';
export const VRP = 'VRP Profile v4.0, Event Notifications';
export const RW_SIGNING = 'Read/Write Data API Profile v4.0.1, Message Signing';
export const RW_HEADERS = 'Read/Write Data API Profile v4.0.1, Headers';

/** A section of an RFC, as reports cite it. */
export function rfc(number: number, section: string): string {
  return `RFC ${number}, section ${section}`;
}
